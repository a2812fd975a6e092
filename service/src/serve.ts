import { availableParallelism } from "node:os";
import { UserError } from "earlyexit";
import type { FastifyInstance } from "fastify";
import { type AppOptions, createApp } from "./app.ts";
import { type Deployment, deploy } from "./deployment.ts";
import { createLearner, type Learner } from "./learner.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createRecorder, type Recorder } from "./recorder.ts";
import { openStore } from "./store/open-store.ts";
import type { VersionEntry } from "./store/store.ts";
import { folderSource, storeSource, type VersionSource } from "./version-source.ts";

export interface ServeOptions {
  /** Model folders by name; the first one is the default. */
  readonly models: Readonly<Record<string, string>>;
  /** 0 for any that is free; default 8080. */
  readonly port?: number;
  /** Default 127.0.0.1: other computers cannot reach it. Any other address needs keys. */
  readonly host?: string;
  readonly keys?: readonly string[];
  /** Processes per model; default: the cores that this process may use. */
  readonly workers?: number;
  /** The promised time from request to answer in milliseconds: the price keeps it; default 50. */
  readonly sloMs?: number;
  /** Pictures per batch, at most; default 16. */
  readonly maxBatch?: number;
  /** How long a picture may wait for others while a worker has room, in milliseconds; default 0. */
  readonly batchWaitMs?: number;
  /** Base price of every model; default: each model's recommended lambda. */
  readonly lambda?: number;
  /** Bytes of a request, at most; default 10 million. */
  readonly maxBytes?: number;
  /** Requests a second of each key, or of each address where there are no keys; default: any number. */
  readonly rateLimit?: number;
  /** Where answers and labels are kept: a folder, or `postgres://..`; default: nowhere. */
  readonly store?: string;
  /** Days that pictures are kept in the store; default 0: none is. */
  readonly keepPictures?: number;
  /** Labels since the last time that start the learning; default: none do, it learns when told. Needs a store. */
  readonly learnAfter?: number;
  /** Gradient steps of a learning; default: as many as were measured to be enough, some ten seconds of a core. */
  readonly learnSteps?: number;
  /** Default: none. */
  readonly logger?: AppOptions["logger"];
  /** How often the model folders are looked at for a newer version, in milliseconds; default 2000, 0: never. */
  readonly watchMs?: number;
}

export interface RunningService {
  readonly url: string;
  /** Refuses what is new, answers what was asked, then ends. */
  close(): Promise<void>;
  readonly app: FastifyInstance;
  readonly deployments: ReadonlyMap<string, Deployment>;
}

const LOOPBACK = ["127.0.0.1", "::1", "localhost"];

/** @throws {UserError} if there is no model with a policy, the port is taken, or keys are missing */
export async function serve(options: ServeOptions): Promise<RunningService> {
  const {
    models,
    port = 8080,
    host = "127.0.0.1",
    keys,
    logger = false,
    maxBytes = 10_000_000,
    watchMs = 2000,
  } = options;
  if (!keys?.length && !LOOPBACK.includes(host))
    throw new UserError(`serve: keys expected for the address ${host}, found none; give --keys FILE, one key per line`);
  const metrics = createMetrics();
  const deployments = new Map<string, Deployment>();
  const sources: VersionSource[] = [];
  const learners = new Map<string, Learner>();
  let isReady = false;
  let watch: NodeJS.Timeout | undefined;
  const store = options.store === undefined ? null : await openStore(options.store);
  const onError = (error: unknown): void => app?.log.error({ error: (error as Error).message }, "store or learning");
  const recorder = store && createRecorder({ store, keepPictures: options.keepPictures ?? 0, onError });
  let app: FastifyInstance | null = null;
  const end = async (): Promise<void> => {
    clearInterval(watch);
    for (const one of learners.values()) one.close();
    await recorder?.close(); // needs the workers for logits
    await Promise.all([...deployments.values()].map((one) => one.close()));
    await Promise.all(sources.map((one) => one.close()));
    await store?.close();
  };
  try {
    for (const [name, folder] of Object.entries(models)) {
      const source = store ? await storeSource(store, name, folder) : folderSource(folder);
      sources.push(source);
      const deployment = await deployOne(name, source, options, metrics, recorder);
      deployments.set(name, deployment);
      if (store) {
        const onLearned = (entry: VersionEntry): void => app?.log.info(entry, "learned");
        const learnAfter = options.learnAfter ?? null;
        const steps = options.learnSteps ?? null;
        learners.set(name, createLearner({ store, place: options.store!, deployment, learnAfter, steps, onLearned }));
      }
    }
    const running = await createApp(
      { deployments, metrics, store, learners, isReady: () => isReady },
      { maxBytes, keys: keys ?? null, rateLimit: options.rateLimit ?? null, logger },
    );
    app = running;
    const url = await listen(running, host, port);
    const look = async (): Promise<void> => {
      await lookForNew(deployments.values(), running);
      for (const learner of learners.values()) await learner.look().catch(onError);
    };
    if (watchMs > 0) watch = setInterval(() => void look(), watchMs).unref();
    isReady = true;
    const close = async (): Promise<void> => {
      isReady = false;
      await running.close(); // waits for the requests under way
      await end();
    };
    return { url, close, app: running, deployments };
  } catch (error) {
    await end();
    throw error;
  }
}

function deployOne(
  name: string,
  source: VersionSource,
  options: ServeOptions,
  metrics: Metrics,
  recorder: Recorder | null,
): Promise<Deployment> {
  const { workers = availableParallelism(), sloMs = 50, maxBatch = 16, batchWaitMs = 0, lambda } = options;
  return deploy({
    name,
    source,
    ...(recorder ? { recorder } : {}),
    workers,
    sloMs,
    maxBatch,
    batchWaitMs,
    ...(lambda === undefined ? {} : { lambda }),
    onBatch: ({ size, computeMs }) => {
      metrics.batchSizes.observe({ model: name }, size);
      metrics.computeSeconds.observe({ model: name }, computeMs / 1000);
    },
    onWorkerDeath: () => metrics.deaths.inc({ model: name }),
  });
}

async function lookForNew(deployments: Iterable<Deployment>, app: FastifyInstance): Promise<void> {
  for (const deployment of deployments) {
    const { name } = deployment;
    try {
      if (await deployment.reload()) app.log.info({ model: name, version: deployment.version }, "model reloaded");
    } catch (error) {
      app.log.error({ model: name, error: (error as Error).message }, "the newer model is not taken");
    }
  }
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    if (!(cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE")) throw cause;
    throw new UserError(`port: a free one expected, found ${port} taken; give another --port, or 0 for any`, { cause });
  }
}
