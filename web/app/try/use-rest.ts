import type { ExitTrace } from "earlyexit/web";
import { useCallback, useState } from "preact/hooks";
import { Closed, type WorkerClient } from "../client.ts";
import type { TriedImage } from "./images.ts";

/** By the images' ids: [E] what every exit says. */
export type Rest = ReadonlyMap<number, readonly ExitTrace[]>;

/** The way that images did not go, where it was asked for. What exits say does not depend on the dial. */
export function useRest(client: WorkerClient, lambda: number, onTrouble: (problem: unknown) => void) {
  const [rest, setRest] = useState<Rest>(new Map());
  const [isComputing, setIsComputing] = useState(false);
  const explore = useCallback(
    async (images: readonly TriedImage[]) => {
      setIsComputing(true);
      try {
        const found = await client.explore(
          images.map(({ pixels }) => pixels),
          lambda,
        );
        setRest((before) => new Map([...before, ...images.map(({ id }, i) => [id, found[i]!] as const)]));
      } catch (problem) {
        if (!(problem instanceof Closed)) onTrouble(problem);
      } finally {
        setIsComputing(false);
      }
    },
    [client, lambda, onTrouble],
  );
  return { rest, isComputing, explore };
}
