import { availableParallelism } from "node:os";
import { UserError } from "earlyexit";
import type { FastifyInstance } from "fastify";
import { type AppOptions, createApp } from "./app.ts";
import { type Deployment, deploy } from "./deployment.ts";
import { createMetrics, type Metrics } from "./metrics.ts";

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
  let isReady = false;
  let watch: NodeJS.Timeout | undefined;
  const end = async (): Promise<void> => {
    clearInterval(watch);
    await Promise.all([...deployments.values()].map((one) => one.close()));
  };
  try {
    for (const [name, folder] of Object.entries(models))
      deployments.set(name, await deployOne(name, folder, options, metrics));
    const app = await createApp(
      { deployments, metrics, isReady: () => isReady },
      { maxBytes, keys: keys ?? null, logger },
    );
    const url = await listen(app, host, port);
    if (watchMs > 0) watch = setInterval(() => void lookForNew(deployments.values(), app), watchMs).unref();
    isReady = true;
    const close = async (): Promise<void> => {
      isReady = false;
      await app.close(); // waits for the requests under way
      await end();
    };
    return { url, close, app, deployments };
  } catch (error) {
    await end();
    throw error;
  }
}

function deployOne(name: string, folder: string, options: ServeOptions, metrics: Metrics): Promise<Deployment> {
  const { workers = availableParallelism(), sloMs = 50, maxBatch = 16, batchWaitMs = 0, lambda } = options;
  return deploy({
    name,
    folder,
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
