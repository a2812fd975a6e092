/**
 * Work done by processes of their own: what ends one of them ends nobody else, and who watches over them is never kept from his
 * heartbeat by a computation. Both ends of the channel are in this file.
 */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { defaultCacheFolder } from "../dataset/download.ts";
import { UserError } from "../errors.ts";
import type { Job, Work } from "../story/jobs.ts";
import { createScorer } from "../story/score.ts";
import { runWork } from "./sweep-run.ts";

type ToChild = { readonly kind: "do"; readonly job: Job } | { readonly kind: "stop" };
type FromChild =
  | { readonly kind: "log"; readonly text: string }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string; readonly isMistake: boolean };

/** So that `worker` knows that it is one of these. */
const MARK = "EARLYEXIT_WORKER_PROCESS";
/** For a process that does not stop when it is told to. */
const KILL_AFTER_MS = 20_000;

/** All kinds of jobs, done here. Close it. */
function worksHere(threads?: number): { works: Readonly<Record<string, Work>>; close(): Promise<void> } {
  const scorer = createScorer(join(defaultCacheFolder(), "unpacked"));
  return { works: { score: scorer.work, run: runWork({ threads }) }, close: scorer.close };
}

/** A pool of processes that do one job each at a time. */
export interface WorkerProcesses {
  readonly work: Work;
  close(): void;
}

/** @param count processes. @param threads of each operator of a training, in each process */
export function startWorkerProcesses(count: number, threads: number): WorkerProcesses {
  const idle: ChildProcess[] = [];
  const waiting: ((child: ChildProcess) => void)[] = [];
  const all = new Set<ChildProcess>();
  let isClosed = false;
  const give = (child: ChildProcess): void => {
    const next = waiting.shift();
    if (next) next(child);
    else idle.push(child);
  };
  const start = (): void => {
    const child = fork(process.argv[1]!, ["worker", "--threads", String(threads)], {
      env: { ...process.env, [MARK]: "1" },
      serialization: "advanced",
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    all.add(child);
    child.on("error", () => undefined); // a message to one that has just ended; "exit" follows
    child.once("exit", () => {
      all.delete(child);
      const at = idle.indexOf(child);
      if (at >= 0) idle.splice(at, 1);
      if (!isClosed) setTimeout(() => isClosed || start(), 200);
    });
    give(child);
  };
  for (let i = 0; i < count; i++) start();
  return {
    async work(job, { log = () => {}, signal }) {
      const child = idle.pop() ?? (await new Promise<ChildProcess>((resolve) => waiting.push(resolve)));
      try {
        await doIn(child, job, log, signal);
        give(child);
      } catch (error) {
        // whatever is wrong with the process ends with it
        if (error instanceof UserError && child.connected) give(child);
        else if (child.connected) child.disconnect();
        throw error;
      }
    },
    close() {
      isClosed = true;
      for (const child of all) child.disconnect();
    },
  };
}

function doIn(
  child: ChildProcess,
  job: Job,
  log: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      child.send({ kind: "stop" } satisfies ToChild);
      timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
    };
    const end = (error: Error | null): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      child.removeAllListeners("message").off("exit", ended);
      if (error) reject(error);
      else resolve();
    };
    const ended = (code: number | null, by: string | null): void =>
      end(
        new UserError(
          `${job.name}: a process that does it to the end expected, found it ended (${by ?? `exit code ${code}`}); see its pictures`,
        ),
      );
    child.on("message", (message: FromChild) => {
      if (message.kind === "log") log(message.text);
      else if (message.kind === "done") end(null);
      else end(message.isMistake ? new UserError(message.message) : new Error(message.message));
    });
    child.once("exit", ended);
    signal?.addEventListener("abort", stop, { once: true });
    child.send({ kind: "do", job } satisfies ToChild);
    if (signal?.aborted) stop();
  });
}

/** Whether this process is one of the pool's. */
export function isWorkerProcess(): boolean {
  return process.env[MARK] === "1" && process.send !== undefined;
}

/** What such a process does until its owner is gone. */
export async function serveOwner(threads: number | undefined): Promise<void> {
  const { works } = worksHere(threads);
  const send = (message: FromChild): void => void process.send?.(message);
  let stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined); // its owner decides
  process.on("message", (message: ToChild) => {
    if (message.kind === "stop") return stopped.abort();
    stopped = new AbortController();
    const { job } = message;
    works[job.kind]!(job, { log: (text) => send({ kind: "log", text }), signal: stopped.signal }).then(
      () => send({ kind: "done" }),
      (error: Error) => send({ kind: "failed", message: error.message, isMistake: error.name === "UserError" }),
    );
  });
  await new Promise<void>((gone) => process.once("disconnect", gone));
  process.exit(0); // at once, whatever is being computed
}
