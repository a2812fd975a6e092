/** A model at work: its folder, workers and queue; replaced by a newer version without a lost request. */
import {
  createNodeRuntime,
  expectedAnswers,
  type LearnedPolicy,
  loadModel,
  type Model,
  pictureOf,
  UserError,
} from "earlyexit";
import { createDriftMeter, type Drift } from "./drift.ts";
import { createLiveMeter, type LiveMeter } from "./live.ts";
import type { Picture } from "./messages.ts";
import { WAIT_SHARE } from "./price.ts";
import type { LogitsDesk, Recorder } from "./recorder.ts";
import { type BatchEvent, createQueue, type QueueOptions, type RequestQueue } from "./request-queue.ts";
import type { StoredAnswer } from "./store/store.ts";
import type { VersionSource } from "./version-source.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface DeploymentOptions {
  readonly name: string;
  readonly source: VersionSource;
  readonly workers: number;
  readonly sloMs: number;
  readonly maxBatch: number;
  readonly batchWaitMs: number;
  /** Base price; default: the model's recommended lambda. */
  readonly lambda?: number;
  /** Keeps answers, with what every exit says. */
  readonly recorder?: Recorder;
  readonly onBatch?: (event: BatchEvent) => void;
  readonly onWorkerDeath?: () => void;
}

/** What is kept of an answer, but for what the deployment knows. */
export type AnswerRow = Omit<StoredAnswer, "logits" | "model" | "version" | "network">;

export interface Deployment {
  readonly name: string;
  /** The first 12 hexadecimal digits of model.json's SHA-256, which vouches for the other files. */
  readonly version: string;
  readonly model: Model;
  /** Where the version's files are. */
  readonly folder: string;
  readonly queue: RequestQueue;
  readonly workerIds: readonly number[];
  /** The last two minutes. */
  readonly live: LiveMeter;
  /** Against what the version does on validation; null while there are too few answers. */
  readonly drift: Drift | null;
  /** The policy of a version that is in the store. */
  policyOf(id: string): Promise<LearnedPolicy>;
  /** Counts an answer, and keeps it where answers are kept. */
  record(row: AnswerRow, picture: Picture): void;
  /** Takes another version if there is one; the old workers answer what they have. @returns whether there was one */
  reload(): Promise<boolean>;
  close(): Promise<void>;
}

const MOST_WAITING = 10_000;
const MEASURED_RUNS = 5;
/** Up to so many times the base price, exits are those of a quiet service. */
const CALM = 1.2;

/** @throws {UserError} if there is no model with a policy in the folder, or lambda is outside what it was trained for */
export async function deploy(options: DeploymentOptions): Promise<Deployment> {
  const { name, source, workers, sloMs, recorder } = options;
  const hooks = { onRoom: () => queue?.pump(), onDeath: () => options.onWorkerDeath?.() };
  let queue: RequestQueue | null = null;
  let now = await start();
  const queueOptions: QueueOptions = {
    ...options,
    get price() {
      return now.price;
    },
    mostWaiting: MOST_WAITING,
  };
  const cheapest = (await cheapestMs(now.pool, now.model, queueOptions)) / workers;
  queue = createQueue(
    queueOptions,
    () => now.pool,
    cheapest,
    options.onBatch,
    () => recorder?.pump(),
  );
  let isReloading = false;
  return {
    name,
    queue,
    get version() {
      return now.id;
    },
    get model() {
      return now.model;
    },
    get folder() {
      return now.folder;
    },
    get workerIds() {
      return now.pool.processIds;
    },
    get live() {
      return now.live;
    },
    get drift() {
      return now.drift.read();
    },
    async policyOf(id) {
      return id === now.id ? now.model.policy! : (await loadModel(await source.folderOf(id))).policy!;
    },
    record(row, picture) {
      now.live.answered(row.exit, row.price, row.latencyMs);
      if (row.price <= CALM * now.price.base) now.drift.add(row.exit, row.classIndex, row.confidence);
      if (!recorder) return;
      const network = now.model.network.sha256;
      const desk = () => (now.model.network.sha256 === network ? now.desk : null);
      recorder.answered({ ...row, model: name, version: now.id, network }, picture, desk);
    },
    async reload() {
      if (isReloading) return false;
      isReloading = true; // before anything is waited for: two at once would leave workers behind
      try {
        if ((await source.current()).id === now.id) return false;
        const [old, fresh] = [now, await start()];
        const isSameLength = fresh.model.network.stages.length === old.model.network.stages.length;
        now = isSameLength ? { ...fresh, live: old.live } : fresh;
        queue?.pump();
        recorder?.pump();
        await Promise.all([old.pool.close(), old.desk?.pool.close()]);
        return true;
      } finally {
        isReloading = false;
      }
    },
    async close() {
      await queue?.idle();
      await Promise.all([now.pool.close(), now.desk?.pool.close()]);
    },
  };

  async function start() {
    const { id, folder } = await source.current();
    const model = await loadModel(folder);
    const price = priceOptions(model, options);
    const pool = await WorkerPool.start({ model: folder, task: "answer" }, workers, hooks);
    const desk: LogitsDesk | null = recorder
      ? {
          pool: await WorkerPool.start({ model: folder, task: "logits" }, 1, { onRoom: () => recorder.pump() }),
          isQuiet: () => queue?.isQuiet() ?? true,
        }
      : null;
    const drift = createDriftMeter(await expectedAnswers(model.policy!, price.base, createNodeRuntime({ threads: 1 })));
    return { id, folder, model, price, pool, desk, drift, live: createLiveMeter(model.network.stages.length) };
  }

  function priceOptions({ policy }: Model, { lambda }: DeploymentOptions) {
    if (!policy)
      throw new UserError(`${name}: a model with a policy expected, found a network alone; run 'earlyexit learn'`);
    const { from, to } = policy.agent.lambdaRange;
    const base = lambda ?? policy.lambda;
    if (!(base >= from && base <= to))
      throw new UserError(`lambda: one from ${from} to ${to} expected, found ${base}; correct it`);
    return { base, most: to, waitPartMs: sloMs * WAIT_SHARE };
  }
}

/** Milliseconds that a worker takes per picture of a full batch at the highest price, reading left out. The quickest of some runs. */
async function cheapestMs(pool: WorkerPool, model: Model, { price, maxBatch }: QueueOptions): Promise<number> {
  const size = pictureOf(model.network).shape.reduce((product, one) => product * one, 1);
  const pictures = Array.from({ length: maxBatch }, (_, i) => ({
    pixels: Uint8Array.from({ length: size }, (_, j) => (i * 31 + j * 17) % 256),
  }));
  let quickest = Number.POSITIVE_INFINITY;
  for (let id = -MEASURED_RUNS; id < 0; id++) {
    const { computeMs } = await pool.run({ id, lambda: price.most, pictures });
    quickest = Math.min(quickest, computeMs / maxBatch);
  }
  return quickest;
}
