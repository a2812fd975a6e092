import { useEffect, useMemo, useState } from "preact/hooks";
import { Closed, Trouble, type WorkerClient } from "../client.ts";
import type { Replies } from "../protocol.ts";
import type { Answers } from "./use-answers.ts";

/** From which confidence on a class is named, or why that cannot be said. */
export type Sure = Replies["sure"] | { readonly problem: string };

/** Solved anew for every place of the dial. null while it is looked for, and where a class is always named (`precise` is null). */
export function useSure(
  client: WorkerClient,
  precise: number | null,
  lambda: number,
  onTrouble: (problem: unknown) => void,
): Sure | null {
  const [found, setFound] = useState<{ readonly key: string; readonly sure: Sure } | null>(null);
  const key = `${precise}:${lambda}`;
  useEffect(() => {
    if (precise === null) return;
    let isWanted = true;
    client.sure(precise, lambda).then(
      (sure) => isWanted && setFound({ key, sure }),
      (problem: unknown) => {
        if (!isWanted || problem instanceof Closed) return;
        if (problem instanceof Trouble) setFound({ key, sure: { problem: problem.message } });
        else onTrouble(problem);
      },
    );
    return () => {
      isWanted = false;
    };
  }, [client, key, onTrouble]);
  return precise !== null && found?.key === key ? found.sure : null;
}

/** The same answers; those that are not sure enough name no class. */
export function useNamed(answers: Answers, sure: Sure | null): Answers {
  return useMemo(() => {
    if (!sure || "problem" in sure) return answers;
    return new Map([...answers].map(([id, one]) => [id, { ...one, unsure: one.confidence < sure.least }]));
  }, [answers, sure]);
}
