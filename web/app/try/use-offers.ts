import { useEffect, useState } from "preact/hooks";
import type { Offer } from "./model-choice.tsx";

/** The models that the server offers, the one to begin with first; null until they are known. */
export function useOffers(onTrouble: (problem: unknown) => void): readonly Offer[] | null {
  const [offers, setOffers] = useState<readonly Offer[] | null>(null);
  useEffect(() => {
    fetch("api/models")
      .then(async (response) => {
        if (!response.ok) throw new Error(`status ${response.status}`);
        setOffers(await response.json());
      })
      .catch(() =>
        onTrouble(
          "The server behind this page does not answer; is 'earlyexit ui' still running? Reload the page then.",
        ),
      );
  }, [onTrouble]);
  return offers;
}
