/** What the routes share. */
import { randomUUID } from "node:crypto";
import type { Classification } from "earlyexit";
import type { FastifyRequest } from "fastify";
import type { Deployment } from "./deployment.ts";
import type { Learner } from "./learner.ts";
import type { Metrics } from "./metrics.ts";
import { RequestMistake } from "./request-mistake.ts";
import { Overloaded, type Served, type Wish } from "./request-queue.ts";
import type { Answer } from "./schemas.ts";
import type { Store } from "./store/store.ts";

export interface Service {
  /** By name; the first one is the default. */
  readonly deployments: ReadonlyMap<string, Deployment>;
  readonly metrics: Metrics;
  /** null: nothing is kept. */
  readonly store: Store | null;
  /** By name of the model; none without a store. */
  readonly learners: ReadonlyMap<string, Learner>;
  /** False once it ends. */
  readonly isReady: () => boolean;
}

/** @throws {RequestMistake} 404 if there is none of that name */
export function deploymentOf({ deployments }: Service, name: string | undefined): Deployment {
  const found = name === undefined ? [...deployments.values()][0] : deployments.get(name);
  if (found) return found;
  throw new RequestMistake(`model: one of ${[...deployments.keys()].join(", ")} expected, found ${name}`, 404);
}

/** Aborted when the client leaves before it is answered. */
export function clientSignal(
  request: FastifyRequest,
  reply: { raw: NodeJS.EventEmitter & { writableFinished: boolean } },
): NonNullable<Wish["signal"]> {
  const controller = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableFinished) controller.abort(new DOMException("the client left", "AbortError"));
  });
  if (request.raw.destroyed && !request.raw.complete)
    controller.abort(new DOMException("the client left", "AbortError"));
  return controller.signal;
}

/** An answer with its name, for feedback. */
export interface Named extends Served {
  readonly id: string;
}

/** @throws {RequestMistake} if lambda is outside what the model was trained for */
export async function ask(service: Service, deployment: Deployment, wish: Wish): Promise<Named> {
  const { from, to } = deployment.model.policy!.agent.lambdaRange;
  const { lambda } = wish;
  if (lambda !== undefined && !(lambda >= from && lambda <= to))
    throw new RequestMistake(`lambda: one from ${from} to ${to} expected, found ${lambda}`);
  const { name } = deployment;
  const asked = performance.now();
  const { live } = deployment;
  live.arrived();
  const served = await admitted(deployment, wish);
  const id = randomUUID();
  const { exit, classIndex, confidence } = served.answer;
  const latencyMs = performance.now() - asked;
  deployment.record({ id, at: Date.now(), exit, classIndex, confidence, price: served.price, latencyMs }, wish.picture);
  service.metrics.exits.inc({ model: name, version: deployment.version, exit: served.answer.exit });
  return { ...served, id };
}

async function admitted({ queue, live }: Deployment, wish: Wish): Promise<Served> {
  try {
    return await queue.enqueue(wish);
  } catch (error) {
    if (error instanceof Overloaded) live.refused();
    throw error;
  }
}

export function describeAnswer(
  { name, version, model }: Deployment,
  { id, answer, price, waitMs }: Named,
  explain: boolean,
): Answer {
  const { label, confidence, exit, stoppedBy, costMacs } = answer;
  return {
    id,
    class: label,
    confidence,
    exit,
    stoppedBy,
    costMacs,
    price,
    model: name,
    version,
    waitMs,
    ...(explain ? { trace: traceOf(answer, model.network.classes) } : {}),
  };
}

function traceOf({ trace }: Classification, classes: readonly string[]): NonNullable<Answer["trace"]> {
  return trace.map(({ exit, classIndex, confidence, probabilities, qExit, qContinue }) => ({
    exit,
    class: classes[classIndex]!,
    confidence,
    probabilities: Array.from(probabilities),
    qExit,
    qContinue,
  }));
}
