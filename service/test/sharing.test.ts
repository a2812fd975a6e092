/** Several models on the same cores: a burst on one is that one's matter. */
import { type RunningService, serve } from "@earlyexit/server";
import { afterEach, expect, test } from "vitest";
import { answerSchema } from "../src/schemas.ts";
import { MODEL, picture } from "./pictures.ts";

let service: RunningService | null = null;
afterEach(() => service?.close());

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

test("who asks a quiet model pays its base price and overtakes those who crowd another one", async () => {
  service = await serve({ models: { crowded: MODEL, quiet: MODEL }, port: 0, workers: 1, sloMs: 4000, watchMs: 0 });
  const { url, deployments } = service;
  const file = new Uint8Array(await picture(3));
  const ask = async (model: string) => {
    const started = performance.now();
    const response = await fetch(`${url}/v1/classify?model=${model}`, { method: "POST", body: file });
    const { price } = answerSchema.parse(await response.json());
    return { price, ms: performance.now() - started };
  };
  let isOver = false;
  const crowd = Array.from({ length: 60 }, async () => {
    const answers = [];
    while (!isOver) answers.push(await ask("crowded"));
    return answers;
  });
  const quiet = [];
  for (let i = 0; i < 20; i++) quiet.push(await ask("quiet"));
  isOver = true;
  const crowded = (await Promise.all(crowd)).flat();
  const base = deployments.get("quiet")!.model.policy!.lambda;
  for (const { price } of quiet) expect(price).toBeCloseTo(base, 2);
  expect(Math.max(...crowded.map(({ price }) => price))).toBeGreaterThan(base);
  expect(median(quiet.map(({ ms }) => ms))).toBeLessThan(median(crowded.map(({ ms }) => ms)));
}, 60_000);
