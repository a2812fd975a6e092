import { constants } from "node:os";
import type { Progress } from "./progress.ts";

/** What to say where a checkpoint makes it possible to go on. */
export const RESUME_HINT = "go on later with --resume and the same options";

/** Ctrl-C, a supervisor that ends the process, and a terminal that is closed. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type Signal = (typeof SIGNALS)[number];

/** Work that a signal ended: `code` is what shells expect, 128 + its number (130 for Ctrl-C). */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly code: number;
  constructor(message: string, signal: Signal) {
    super(message);
    this.code = 128 + constants.signals[signal];
  }
}

/**
 * Runs `work` with a signal that Ctrl-C, SIGTERM or SIGHUP aborts: the work saves what it can and stops. A second one stops at once.
 *
 * @param hint what the user can do afterwards
 */
export async function abortOnInterrupt<T>(
  progress: Progress,
  work: (signal: AbortSignal) => Promise<T>,
  hint = "nothing is changed",
): Promise<T> {
  const controller = new AbortController();
  let received: Signal | null = null;
  const leave = (): void => {
    for (const one of SIGNALS) process.removeListener(one, interrupt);
  };
  const interrupt = (signal: Signal): void => {
    leave(); // a second one then ends the process
    received = signal;
    progress.note(`stopping after this step; press Ctrl-C again to stop at once; ${hint}`);
    controller.abort();
  };
  for (const one of SIGNALS) process.on(one, interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (received && error instanceof DOMException && error.name === "AbortError")
      throw new Interrupted(error.message, received);
    throw error;
  } finally {
    leave();
    progress.stop();
  }
}
