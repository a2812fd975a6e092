/** Worker processes, each with at most two batches: one is computed while the pictures of the next are decoded. */
import { type ChildProcess, fork } from "node:child_process";
import { UserError } from "earlyexit";
import type { Job, Outcome, WorkerMessage, WorkerOptions } from "./messages.ts";

const IN_FLIGHT = 2;
/** A batch that has ended so many workers is at fault itself. */
const MOST_DEATHS = 2;
/** Between two starts of a worker that dies at once. */
const RESTART_MS = 200;
/** Beside the thread that computes, one that decodes: more of them take a third more time of the cores for small pictures. */
const DECODING = { VIPS_CONCURRENCY: "1", UV_THREADPOOL_SIZE: "1" };
/** For a worker that does not end by itself. */
const KILL_AFTER_MS = 5_000;

interface Task {
  readonly job: Job;
  resolve: (done: Done) => void;
  reject: (error: Error) => void;
  deaths: number;
}

export interface Done {
  readonly outcomes: readonly Outcome[];
  readonly computeMs: number;
}

interface Worker {
  readonly process: ChildProcess;
  readonly tasks: Map<number, Task>;
  isReady: boolean;
}

/** Pictures that end the process which reads them. */
export class FatalPicture extends Error {}

export interface PoolHooks {
  /** A worker has room. */
  readonly onRoom: () => void;
  readonly onDeath?: (code: number | null, signal: string | null) => void;
}

/** One pool for one version of a model. A class, since it owns processes. */
export class WorkerPool {
  readonly #options: WorkerOptions;
  readonly #hooks: PoolHooks;
  readonly #workers = new Set<Worker>();
  readonly #waiting: Task[] = [];
  readonly #restarts = new Set<NodeJS.Timeout>();
  #isClosed = false;

  private constructor(options: WorkerOptions, hooks: PoolHooks) {
    this.#options = options;
    this.#hooks = hooks;
  }

  /** @throws {UserError} if a worker cannot load the model */
  static async start(options: WorkerOptions, count: number, hooks: PoolHooks): Promise<WorkerPool> {
    const pool = new WorkerPool(options, hooks);
    try {
      await Promise.all(Array.from({ length: count }, () => pool.#spawn()));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** Process ids of those at work, for tests and metrics. */
  get processIds(): number[] {
    return [...this.#workers].flatMap(({ process, isReady }) => (isReady && process.pid ? [process.pid] : []));
  }

  get hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#free() !== null;
  }

  /** @throws {FatalPicture} if the batch ends every worker that takes it */
  run(job: Job): Promise<Done> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject, deaths: 0 });
      this.#give();
    });
  }

  /** Answers what was asked, then ends the workers. */
  async close(): Promise<void> {
    const left = [...this.#workers].flatMap(({ tasks }) => [...tasks.values()]).concat(this.#waiting);
    await Promise.all(left.map((task) => settled(task)));
    this.#isClosed = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    await Promise.all([...this.#workers].map(end));
  }

  /** The ready worker with the fewest batches. */
  #free(): Worker | null {
    let best: Worker | null = null;
    for (const worker of this.#workers)
      if (worker.isReady && worker.tasks.size < (best?.tasks.size ?? IN_FLIGHT)) best = worker;
    return best;
  }

  #give(): void {
    for (let worker = this.#free(); worker && this.#waiting.length > 0; worker = this.#free()) {
      const task = this.#waiting.shift()!;
      worker.tasks.set(task.job.id, task);
      worker.process.send(task.job);
    }
  }

  #spawn(): Promise<void> {
    const child = fork(new URL("./worker.js", import.meta.url), [JSON.stringify(this.#options)], {
      serialization: "advanced",
      execArgv: [],
      env: { ...DECODING, ...process.env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const worker: Worker = { process: child, tasks: new Map(), isReady: false };
    this.#workers.add(worker);
    return new Promise((resolve, reject) => {
      child.on("message", (message: WorkerMessage) => {
        if (message.kind === "mistake") return reject(new UserError(message.message));
        if (message.kind === "ready") {
          worker.isReady = true;
          resolve();
        } else {
          const task = worker.tasks.get(message.id);
          worker.tasks.delete(message.id);
          task?.resolve(message);
        }
        this.#give();
        if (this.hasRoom) this.#hooks.onRoom();
      });
      child.on("error", () => undefined); // a message to a process that has just ended; "exit" follows
      child.once("exit", (code, signal) => {
        const wasReady = worker.isReady;
        this.#bury(worker, code, signal);
        if (!wasReady) reject(new Error(`worker: a running one expected, found it ended (${signal ?? code})`));
      });
    });
  }

  /** Its batches go to the others, first in line. */
  #bury(worker: Worker, code: number | null, signal: string | null): void {
    this.#workers.delete(worker);
    if (this.#isClosed || !worker.isReady) return;
    worker.isReady = false;
    this.#hooks.onDeath?.(code, signal);
    const tasks = [...worker.tasks.values()];
    // only the oldest was being computed, but any of them may have been decoded
    for (const task of tasks.reverse()) {
      task.deaths++;
      if (task.deaths >= MOST_DEATHS) task.reject(new FatalPicture("a picture ends the process that reads it"));
      else this.#waiting.unshift(task);
    }
    this.#restart();
    this.#give();
  }

  #restart(): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      this.#spawn().catch(() => this.#isClosed || this.#restart());
    }, RESTART_MS);
    this.#restarts.add(timer);
  }
}

/** Once the task has an answer, or none. */
function settled(task: Task): Promise<void> {
  return new Promise((done) => {
    const { resolve, reject } = task;
    task.resolve = (result) => {
      resolve(result);
      done();
    };
    task.reject = (error) => {
      reject(error);
      done();
    };
  });
}

function end({ process: child }: Worker): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      done();
    });
    if (child.connected) child.disconnect();
    else child.kill("SIGTERM");
  });
}
