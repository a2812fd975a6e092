import { useEffect, useRef, useState } from "preact/hooks";
import { Closed, WorkerClient } from "../client.ts";
import type { TeachingChoice, TeachingNews, TeachingResult } from "./teaching.ts";

/** How far it is; accuracies stay from the last time that they were told. */
export interface TeachingState {
  readonly text: string;
  /** 0..1 */
  readonly done: number;
  /** [E] on pictures judged by heads that have not seen them */
  readonly accuracy: readonly number[] | null;
}

export interface Taught extends TeachingResult {
  readonly choice: TeachingChoice;
  readonly seconds: number;
}

/** Of the time, roughly; for the bar alone. */
const SHARES = { features: 0.25, heads: 0.5, policy: 0.25 };

/** One teaching at a time, in a worker of its own; stopping ends the worker. */
export function useTeaching(onTrouble: (problem: unknown) => void) {
  const [state, setState] = useState<TeachingState | null>(null);
  const [taught, setTaught] = useState<Taught | null>(null);
  const client = useRef<WorkerClient | null>(null);
  const stop = (): void => {
    client.current?.close();
    client.current = null;
  };
  useEffect(() => stop, []);
  const start = async (choice: TeachingChoice): Promise<void> => {
    stop();
    const own = new WorkerClient("loads");
    client.current = own;
    setTaught(null);
    setState({ text: "starting...", done: 0, accuracy: null });
    const begun = performance.now();
    try {
      const result = await own.teach(choice, (news) => setState((before) => after(before, news)));
      setTaught({ ...result, choice, seconds: (performance.now() - begun) / 1000 });
    } catch (problem) {
      if (!(problem instanceof Closed)) onTrouble(problem);
    } finally {
      own.close(); // its memory is free again
      if (client.current === own || client.current === null) setState(null);
    }
  };
  return { state, taught, start, stop };
}

function after(before: TeachingState | null, { progress }: TeachingNews): TeachingState {
  const accuracy = before?.accuracy ?? null;
  if (progress.kind === "features") {
    const { done, total } = progress;
    return {
      text: `looking at the pictures (${done} of ${total} views)`,
      done: (SHARES.features * done) / total,
      accuracy,
    };
  }
  if (progress.kind === "heads") {
    const { done, total } = progress;
    return {
      text: `training the exits (${done} of ${total}; each picture is judged by exits that have not seen it)`,
      done: SHARES.features + (SHARES.heads * done) / total,
      accuracy: progress.accuracy ?? accuracy,
    };
  }
  const { step, steps } = progress.progress;
  const done = SHARES.features + SHARES.heads + (SHARES.policy * step) / steps;
  return { text: "learning where each picture may stop", done, accuracy };
}
