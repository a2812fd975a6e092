/**
 * Work in parts that any process can do: what `score` and `sweep` consist of. A job is plain data, its result is a file that is there
 * whole or not at all, and doing it twice does no harm. Who hands jobs out is one function; this process does them itself here, a queue
 * has its own in `@earlyexit/server`.
 */
import { sha256 } from "../files/sha256.ts";

export interface Job {
  /** SHA-256 of kind and input, in hex: the same job has the same one everywhere. */
  readonly id: string;
  readonly kind: string;
  /** Of how long it is and what it is called in messages. */
  readonly name: string;
  /** Plain data. */
  readonly input: object;
}

export function jobOf(kind: string, name: string, input: object): Job {
  return { id: sha256(new TextEncoder().encode(JSON.stringify([kind, input]))), kind, name, input };
}

export interface WorkHooks {
  /** Told what a person who watches would like to know, a sentence each. */
  readonly log?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Does a job. @throws {UserError} if it cannot be done, now or later: nobody tries it again */
export type Work = (job: Job, hooks: WorkHooks) => Promise<void>;

export interface HandOutHooks {
  readonly onDone: (job: Job) => void;
  /** The others go on. */
  readonly onFailed: (job: Job, reason: string) => void;
  readonly log?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Sees to it that jobs are done, and returns when each is done or has failed. @throws what `signal` was aborted with */
export type HandOut = (jobs: readonly Job[], hooks: HandOutHooks) => Promise<void>;

/** This process does them, one after the other. @throws what is no mistake of the user */
export function handOutHere(work: Work): HandOut {
  return async (jobs, { onDone, onFailed, ...hooks }) => {
    for (const job of jobs) {
      hooks.signal?.throwIfAborted();
      try {
        await work(job, hooks);
        onDone(job);
      } catch (error) {
        if (!(error instanceof Error && error.name === "UserError")) throw error;
        onFailed(job, error.message);
      }
    }
  };
}
