import type { Progress } from "./progress.ts";

/** What to say where a checkpoint makes it possible to go on. */
export const RESUME_HINT = "go on later with --resume and the same options";

/**
 * Runs `work` with a signal that Ctrl-C aborts: the work saves what it can and stops. A second Ctrl-C stops at once.
 *
 * @param hint what the user can do afterwards
 */
export async function abortOnInterrupt<T>(
  progress: Progress,
  work: (signal: AbortSignal) => Promise<T>,
  hint = "nothing is changed",
): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => {
    progress.note(`stopping after this step; press Ctrl-C again to stop at once; ${hint}`);
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
