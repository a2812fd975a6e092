/** What Prometheus reads at /metrics. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Deployment } from "./deployment.ts";

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const SIZES = [1, 2, 4, 8, 16, 32, 64];

export function createMetrics() {
  const registers = [new Registry()];
  collectDefaultMetrics({ register: registers[0]!, prefix: "earlyexit_" });
  const requests = new Counter({
    name: "earlyexit_requests_total",
    help: "Requests by route and status.",
    labelNames: ["route", "status"] as const,
    registers,
  });
  const seconds = new Histogram({
    name: "earlyexit_request_seconds",
    help: "From request to answer.",
    labelNames: ["route"] as const,
    buckets: SECONDS,
    registers,
  });
  const exits = new Counter({
    name: "earlyexit_answers_total",
    help: "Answers by model, version and exit.",
    labelNames: ["model", "version", "exit"] as const,
    registers,
  });
  const batchSizes = new Histogram({
    name: "earlyexit_batch_pictures",
    help: "Pictures per batch.",
    labelNames: ["model"] as const,
    buckets: SIZES,
    registers,
  });
  const computeSeconds = new Histogram({
    name: "earlyexit_batch_seconds",
    help: "Time of a batch in its worker, decoding left out.",
    labelNames: ["model"] as const,
    buckets: SECONDS,
    registers,
  });
  const deaths = new Counter({
    name: "earlyexit_worker_deaths_total",
    help: "Workers that ended and were replaced.",
    labelNames: ["model"] as const,
    registers,
  });
  const price = new Gauge({
    name: "earlyexit_price",
    help: "Lambda that a picture would pay now.",
    labelNames: ["model"] as const,
    registers,
  });
  const waiting = new Gauge({
    name: "earlyexit_waiting_pictures",
    help: "Pictures in the queue.",
    labelNames: ["model"] as const,
    registers,
  });
  const drift = new Gauge({
    name: "earlyexit_drift",
    help: "Population stability index of the last 1,000 answers at the base price against validation; above 0.25 something has changed.",
    labelNames: ["model", "of"] as const,
    registers,
  });
  const version = new Gauge({
    name: "earlyexit_version",
    help: "1 for the version that answers.",
    labelNames: ["model", "version"] as const,
    registers,
  });
  return {
    requests,
    seconds,
    exits,
    batchSizes,
    computeSeconds,
    deaths,
    contentType: registers[0]!.contentType,
    text(deployments: Iterable<Deployment>): Promise<string> {
      version.reset();
      for (const deployment of deployments) {
        const { name, queue } = deployment;
        version.set({ model: name, version: deployment.version }, 1);
        const { answers: _, ...measured } = deployment.drift ?? { answers: 0 };
        for (const [of, value] of Object.entries(measured)) drift.set({ model: name, of }, value);
        price.set({ model: name }, queue.price);
        waiting.set({ model: name }, queue.waiting);
      }
      return registers[0]!.metrics();
    },
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
