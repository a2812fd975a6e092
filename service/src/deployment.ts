/** A model at work: its folder, workers and queue; replaced by a newer version of the folder without a lost request. */
import { loadModel, type Model, modelDigest, pictureOf, UserError } from "earlyexit";
import { WAIT_SHARE } from "./price.ts";
import { type BatchEvent, createQueue, type QueueOptions, type RequestQueue } from "./request-queue.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface DeploymentOptions {
  readonly name: string;
  /** The model folder. */
  readonly folder: string;
  readonly workers: number;
  readonly sloMs: number;
  readonly maxBatch: number;
  readonly batchWaitMs: number;
  /** Base price; default: the model's recommended lambda. */
  readonly lambda?: number;
  readonly onBatch?: (event: BatchEvent) => void;
  readonly onWorkerDeath?: () => void;
}

export interface Deployment {
  readonly name: string;
  /** The first 12 hexadecimal digits of model.json's SHA-256, which vouches for the other files. */
  readonly version: string;
  readonly model: Model;
  readonly queue: RequestQueue;
  readonly workerIds: readonly number[];
  /** Loads the folder again if it has changed; the old workers answer what they have. @returns whether it had changed */
  reload(): Promise<boolean>;
  close(): Promise<void>;
}

const MOST_WAITING = 10_000;
const MEASURED_RUNS = 5;

/** @throws {UserError} if there is no model with a policy in the folder, or lambda is outside what it was trained for */
export async function deploy(options: DeploymentOptions): Promise<Deployment> {
  const { name, folder, workers, sloMs } = options;
  let version = await versionOf(folder);
  let model = await loadModel(folder);
  const price = priceOptions(model, options);
  const hooks = { onRoom: () => queue?.pump(), onDeath: () => options.onWorkerDeath?.() };
  let queue: RequestQueue | null = null;
  let pool = await WorkerPool.start({ model: folder }, workers, hooks);
  const queueOptions: QueueOptions = { ...options, price, mostWaiting: MOST_WAITING };
  queue = createQueue(queueOptions, () => pool, await cheapestMs(pool, model, queueOptions), options.onBatch);
  let isReloading = false;
  return {
    name,
    queue,
    get version() {
      return version;
    },
    get model() {
      return model;
    },
    get workerIds() {
      return pool.processIds;
    },
    async reload() {
      const found = await versionOf(folder);
      if (found === version || isReloading) return false;
      isReloading = true;
      try {
        const next = await loadModel(folder);
        priceOptions(next, options);
        const [old, fresh] = [pool, await WorkerPool.start({ model: folder }, workers, hooks)];
        [pool, model, version] = [fresh, next, found];
        queue?.pump();
        await old.close();
        return true;
      } finally {
        isReloading = false;
      }
    },
    async close() {
      await queue?.idle();
      await pool.close();
    },
  };

  function priceOptions({ policy }: Model, { lambda }: DeploymentOptions) {
    if (!policy)
      throw new UserError(`${folder}: a model with a policy expected, found a network alone; run 'earlyexit learn'`);
    const { from, to } = policy.agent.lambdaRange;
    const base = lambda ?? policy.lambda;
    if (!(base >= from && base <= to))
      throw new UserError(`lambda: one from ${from} to ${to} expected, found ${base}; correct it`);
    return { base, most: to, waitPartMs: sloMs * WAIT_SHARE };
  }
}

async function versionOf(folder: string): Promise<string> {
  return (await modelDigest(folder)).slice(0, 12);
}

/** Milliseconds per picture of a full batch at the highest price: below this no price goes. The quickest of some runs. */
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
