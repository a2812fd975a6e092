import { useEffect, useState } from "preact/hooks";
import { Closed, type WorkerClient } from "../client.ts";
import type { Times } from "../protocol.ts";
import type { TriedImage } from "./images.ts";

/** The dial may be on its way, and answers go before. */
const STILL_MS = 400;
/** Enough for a mean; more would be waited for. */
const MOST_IMAGES = 32;

/**
 * How long these images take at this lambda, beside the full network, measured once nothing changes any more; null until then.
 *
 * @param isReady all of them have their answers
 */
export function useTimes(
  client: WorkerClient,
  images: readonly TriedImage[],
  lambda: number,
  isReady: boolean,
  onTrouble: (problem: unknown) => void,
): Times | null {
  const [measured, setMeasured] = useState<{ key: string; times: Times } | null>(null);
  const key = `${lambda}:${images.map(({ id }) => id).join()}`;
  useEffect(() => {
    if (!isReady || images.length === 0) return;
    let isWanted = true;
    const timer = setTimeout(() => {
      const chosen = images.slice(-MOST_IMAGES).map(({ pixels }) => pixels);
      client.time(chosen, lambda).then(
        (times) => isWanted && setMeasured({ key, times }),
        (problem) => isWanted && !(problem instanceof Closed) && onTrouble(problem),
      );
    }, STILL_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [client, key, isReady, onTrouble]);
  return measured?.key === key ? measured.times : null;
}
