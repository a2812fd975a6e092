import { useEffect, useRef, useState } from "preact/hooks";
import { WorkerClient } from "./client.ts";
import type { ModelFacts, ModelSource } from "./protocol.ts";

export interface LoadedModel {
  readonly client: WorkerClient;
  readonly facts: ModelFacts;
}

/**
 * The model behind a source, in a worker of its own; null until it is ready. Another source ends the old worker.
 *
 * @param onTrouble must be the same function at every call
 * @param begun a worker that loads models and has not been used yet: the first source takes it
 */
export function useModel(
  source: ModelSource | null,
  onTrouble: (problem: unknown) => void,
  begun: WorkerClient | null = null,
): LoadedModel | null {
  const [model, setModel] = useState<LoadedModel | null>(null);
  const unused = useRef(begun);
  useEffect(() => {
    if (!source) return;
    const client = unused.current ?? new WorkerClient("loads");
    unused.current = null;
    let isWanted = true;
    client.load(source).then(
      (facts) => isWanted && setModel({ client, facts }),
      (problem) => isWanted && onTrouble(problem),
    );
    return () => {
      isWanted = false;
      setModel(null);
      client.close();
    };
  }, [source, onTrouble]);
  return model;
}
