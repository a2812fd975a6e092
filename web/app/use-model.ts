import { useEffect, useState } from "preact/hooks";
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
 */
export function useModel(source: ModelSource | null, onTrouble: (problem: unknown) => void): LoadedModel | null {
  const [model, setModel] = useState<LoadedModel | null>(null);
  useEffect(() => {
    if (!source) return;
    const client = new WorkerClient();
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
