/** Learning on beside a deployment: when enough labels have come, or when it is told to; one at a time, in a process of its own. */
import { fork } from "node:child_process";
import type { Deployment } from "./deployment.ts";
import type { LearnJob, LearnMessage } from "./learn-process.ts";
import { RequestMistake } from "./request-mistake.ts";
import type { Store, VersionEntry } from "./store/store.ts";

/** With fewer a new version could not be judged. */
export const LEAST_LESSONS = 200;

export interface LearnerOptions {
  readonly store: Store;
  /** Where the process opens it again. */
  readonly place: string;
  readonly deployment: Deployment;
  /** Labels since the last time that start it; null: only when told. */
  readonly learnAfter: number | null;
  /** Gradient steps; null: the default. */
  readonly steps: number | null;
  readonly onLearned: (entry: VersionEntry) => void;
}

export interface Learner {
  /** Looks whether enough labels have come. */
  look(): Promise<void>;
  /**
   * @returns what came out of it; if it is better, it answers from now on
   * @throws {RequestMistake} 409 if it learns already, or there are too few labels
   */
  learn(): Promise<VersionEntry>;
  /** Ends a learning under way; nothing of it is kept. */
  close(): void;
}

export function createLearner({ store, place, deployment, learnAfter, steps, onLearned }: LearnerOptions): Learner {
  let child: ReturnType<typeof fork> | null = null;
  let isLearning = false;

  /** The last label that a version of this network was made from, or judged on. */
  async function learnedUpTo(): Promise<number> {
    const versions = await store.versions(deployment.name, deployment.model.network.sha256);
    return Math.max(0, ...versions.map(({ labelsUpTo }) => labelsUpTo));
  }

  function inProcess(job: LearnJob): Promise<LearnMessage> {
    return new Promise((resolve, reject) => {
      const process = fork(new URL("./learn-process.js", import.meta.url), [JSON.stringify(job)], {
        execArgv: [],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      child = process;
      process.once("message", resolve);
      process.once("error", reject);
      process.once("exit", (code, signal) =>
        reject(new Error(`learning: an answer expected, found ${signal ?? code}`)),
      );
    });
  }

  async function learn(): Promise<VersionEntry> {
    if (isLearning) throw new RequestMistake("learn: no learning under way expected, found one; wait for it", 409);
    isLearning = true;
    try {
      const { name, folder, version, model } = deployment;
      const after = await learnedUpTo();
      const lessons = await store.countLessons(name, model.network.sha256, after);
      if (lessons < LEAST_LESSONS)
        throw new RequestMistake(
          `learn: at least ${LEAST_LESSONS} labels since the last time expected, of answers kept with what every exit said, ` +
            `found ${lessons}; give more, or wait until it is computed`,
          409,
        );
      const message = await inProcess({
        store: place,
        model: name,
        folder,
        parent: version,
        after,
        seed: after,
        steps,
      });
      if (message.kind === "mistake") throw new RequestMistake(message.message, 409);
      if (message.judgement.better) {
        await store.promote(name, message.version, Date.now());
        await deployment.reload();
      }
      const entries = await store.versions(name, model.network.sha256);
      const entry = entries.find(({ id }) => id === message.version)!;
      onLearned(entry);
      return entry;
    } finally {
      isLearning = false;
      child = null;
    }
  }

  return {
    async look() {
      if (learnAfter === null || isLearning) return;
      const { name, model } = deployment;
      if ((await store.countLessons(name, model.network.sha256, await learnedUpTo())) >= learnAfter) await learn();
    },
    learn,
    close: () => void child?.kill("SIGKILL"),
  };
}
