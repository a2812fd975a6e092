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

/** Does a job. @throws {UserError} if it cannot be done here; what `signal` was aborted with */
export type Work = (job: Job, hooks: WorkHooks) => Promise<void>;

export interface HandOutHooks {
  readonly onDone: (job: Job) => void;
  /** The others go on. */
  readonly onFailed: (job: Job, reason: string) => void;
  readonly log?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What a queue knows of a job. */
export interface JobState {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly state: "waiting" | "working" | "done" | "failed";
  /** How often it was begun. */
  readonly attempts: number;
  /** Why it failed, or failed last. */
  readonly reason?: string;
}

/** Jobs that any machine may take: what `@earlyexit/server` opens. Close it. */
export interface JobQueue {
  readonly handOut: HandOut;
  /** Takes jobs of the kinds that are given until `signal` is aborted, then hands back those that are not done. */
  work(works: Readonly<Record<string, Work>>, options: WorkOptions): Promise<void>;
  /** Those that are not done, and the newest that are. @param limit of each state, at most */
  list(limit: number): Promise<JobState[]>;
  /** @throws {UserError} if there is no such job */
  logs(id: string): Promise<readonly string[]>;
  /** A job that waits is taken out, one that is worked on is stopped. @throws {UserError} if it is over, or there is none */
  cancel(id: string): Promise<void>;
  /** Lets a failed job wait again. @throws {UserError} if it has not failed, or there is none */
  retry(id: string): Promise<void>;
  close(): Promise<void>;
}

export interface WorkOptions {
  /** Jobs at a time. */
  readonly parallel: number;
  readonly log: (text: string) => void;
  readonly signal: AbortSignal;
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
