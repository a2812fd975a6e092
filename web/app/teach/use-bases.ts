import type { ImageShape } from "earlyexit/web";
import { useEffect, useState } from "preact/hooks";
import type { Offer } from "../try/model-choice.tsx";
import { useOffers } from "../try/use-offers.ts";

/** A model that can be taught other classes. */
export interface Base extends Offer {
  readonly address: string;
  readonly shape: ImageShape;
}

/** Photographs come first: what they taught fits most things. */
const FIRST = "cifar10";

/** Offered models whose network is from a blueprint, the one to begin with first; null until they are known. */
export function useBases(onTrouble: (problem: unknown) => void): readonly Base[] | null {
  const offers = useOffers(onTrouble);
  const [bases, setBases] = useState<readonly Base[] | null>(null);
  useEffect(() => {
    if (!offers) return;
    Promise.all(offers.map(baseOf)).then((found) => {
      const known = found.filter((one) => one !== null);
      setBases(known.sort((a, b) => Number(b.id === FIRST) - Number(a.id === FIRST)));
    }, onTrouble);
  }, [offers, onTrouble]);
  return bases;
}

async function baseOf(offer: Offer): Promise<Base | null> {
  const address = new URL(`models/${offer.id}`, document.baseURI).href;
  const { network } = await (await fetch(`${address}/model.json`)).json();
  if (!network?.blueprint || (network.kind ?? "blueprint") !== "blueprint") return null;
  return { ...offer, address, shape: network.blueprint.input };
}
