/** What decides, alone: the file against the policy that it came from, used as its README says. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-common";
import { afterAll, describe, expect, test } from "vitest";
import { answersOf } from "../../src/exits/answers.ts";
import { exportPolicy } from "../../src/export/export.ts";
import { buildPolicyFiles } from "../../src/export/policy-file.ts";
import { decide } from "../../src/policy/agent.ts";
import { decidingAgent } from "../../src/policy/decider.ts";
import type { LearnedPolicy } from "../../src/policy/learned-policy.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CLASSES, EXITS, handMadeAgent, policyOf } from "../inference/small.ts";

const COUNT = 300;
const K = CLASSES.length;
const runtime = createNodeRuntime({ threads: 1 });
const random = seededRandom(3);
const table = {
  logits: Float32Array.from({ length: COUNT * EXITS * K }, () => 2 * normal(random)),
  labels: Uint16Array.from({ length: COUNT }, (_, i) => i % K),
  count: COUNT,
  exits: EXITS,
  classes: K,
};

const mixed = { ...policyOf(handMadeAgent({ scale: 1.6, seed: 8, biases: [1, 0] })), validation: table };
const thresholds = {
  ...mixed,
  decider: "threshold:margin" as const,
  thresholds: {
    score: "margin" as const,
    lambdas: [0.01, 1],
    thresholds: [
      [0.8, 0.6],
      [0.3, 0.2],
    ],
  },
};

const sessions: InferenceSession[] = [];
const folder = mkdtempSync(join(tmpdir(), "earlyexit-policy-"));
afterAll(async () => {
  for (const session of sessions) await session.release();
  rmSync(folder, { recursive: true, force: true });
});

async function opened(policy: LearnedPolicy) {
  const { files } = await buildPolicyFiles(policy, {});
  const session = await runtime.createSession(files.get("policy.onnx")!);
  sessions.push(session);
  return async (logits: Float32Array, lambda: number) => {
    const feeds = {
      logits: runtime.tensor(logits, [logits.length / (EXITS * K), EXITS, K]),
      lambda: runtime.tensor(Float32Array.of(lambda), []),
    };
    const results = await session.run(feeds);
    return { leaves: results.exit_now!.data as Float32Array, answers: results.probabilities!.data as Float32Array };
  };
}

describe.each([
  ["an agent", mixed],
  ["thresholds", thresholds],
])("%s", (_, policy) => {
  test("the whole table at once: the exits that the policy takes, and its answers", async () => {
    const run = await opened(policy);
    const seen = new Set<number>();
    for (const lambda of [0.01, 0.1, 1]) {
      const { leaves, answers } = await run(table.logits, lambda);
      const agent = decidingAgent(policy);
      const expected = await decide(runtime, agent, answersOf(table, agent), policy.costs, lambda);
      const taken = Array.from(expected, (_, i) => leaves.subarray(i * EXITS, (i + 1) * EXITS).indexOf(1));
      expect(taken).toEqual([...expected]); // seeded, and no near tie among them
      for (const exit of taken) seen.add(exit);
      const { logProbabilities } = answersOf(table, agent);
      let largest = 0;
      for (const [i, p] of answers.entries()) largest = Math.max(largest, Math.abs(p - Math.exp(logProbabilities[i]!)));
      expect(largest).toBeLessThan(1e-6);
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test("exit by exit, as the README does: what stands at later exits is not looked at", async () => {
    const run = await opened(policy);
    const whole = (await run(table.logits, 0.1)).leaves;
    for (let i = 0; i < 20; i++) {
      const logits = new Float32Array(EXITS * K);
      for (let k = 0; k < EXITS; k++) {
        const from = (i * EXITS + k) * K;
        logits.set(table.logits.subarray(from, from + K), k * K);
        expect((await run(logits, 0.1)).leaves[k]).toBe(whole[i * EXITS + k]);
      }
    }
  });
});

test("a lambda outside the range counts as the nearest one inside", async () => {
  const run = await opened(mixed);
  expect((await run(table.logits, 50)).leaves).toEqual((await run(table.logits, 1)).leaves);
});

test("a folder: file, manifest and README, checked on the validation table", async () => {
  const { manifest, files, check } = await exportPolicy({ policy: mixed, out: join(folder, "out"), runtime });
  expect(files).toEqual(["policy.onnx", "manifest.json", "README.md"]);
  expect(manifest).toMatchObject({ target: "policy", exits: EXITS, classes: K, opset: 17, leastRuntime: "1.14" });
  expect(check).toMatchObject({ images: COUNT, different: 0 });
  expect(check.exits.reduce((a, b) => a + b)).toBe(COUNT);
  const readme = readFileSync(join(folder, "out/README.md"), "utf8");
  expect(readme).toContain("logits = np.zeros((1, 3, 4), np.float32)");
  expect(readme).toContain("def classify(stages, x, lambda_=0.1):");
});

test("a slim policy has nothing to be checked on", async () => {
  const slim = { ...mixed, validation: null };
  await expect(exportPolicy({ policy: slim, out: join(folder, "slim"), runtime })).rejects.toThrow(
    "validation.safetensors) expected, found none; load the whole model",
  );
});
