import type { Progress } from "./progress.ts";

/**
 * Runs `work` with a signal that Ctrl-C aborts: the work saves a checkpoint and stops. A second Ctrl-C stops at once.
 */
export async function abortOnInterrupt<T>(progress: Progress, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => {
    progress.note(
      "stopping after this step; press Ctrl-C again to stop at once. Go on later with --resume and the same options",
    );
    controller.abort();
  };
  process.once("SIGINT", interrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.removeListener("SIGINT", interrupt);
    progress.stop();
  }
}
