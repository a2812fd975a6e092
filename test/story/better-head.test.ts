import { expect, test } from "vitest";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { betterHead, type ChoiceTask } from "../../src/story/better-head.ts";
import { softTargets } from "../../src/training/heads.ts";

const COUNT = 300;

/** Two numbers per image, both at least 0.5 from 0; the class by what is said of their signs. */
function taskOf(classOf: (a: number, b: number) => number, fullMacs: number): ChoiceTask {
  const made = (seed: number) => {
    const random = seededRandom(seed);
    const features = Float32Array.from({ length: 2 * COUNT }, () => awayFromZero(normal(random)));
    const labels = Uint16Array.from({ length: COUNT }, (_, i) => classOf(features[2 * i]!, features[2 * i + 1]!));
    return { features, labels, weights: new Float32Array(COUNT).fill(1) };
  };
  const { features, labels, weights } = made(1);
  return { features, targets: softTargets(labels, 2, null), weights, judges: made(2), classes: 2, fullMacs, seed: 1 };
}

const awayFromZero = (value: number): number => value + 0.5 * Math.sign(value);

const runtime = createNodeRuntime({ threads: 1 });
const differ = (a: number, b: number): number => (a > 0 === b > 0 ? 0 : 1);

test("a hidden layer is kept where the classes cannot be told apart without one", { timeout: 180_000 }, async () => {
  const { hidden, answers } = await betterHead(runtime, taskOf(differ, 1e9));
  expect(hidden).toBe(128);
  expect(answers.learning).toHaveLength(2 * COUNT);
});

test("it is left out where it brings nothing, or costs more than it brings", { timeout: 180_000 }, async () => {
  expect(
    (
      await betterHead(
        runtime,
        taskOf((a) => (a > 0 ? 1 : 0), 1e4),
      )
    ).hidden,
  ).toBe(0);
  // 0.1 (2 x 128 + 128 x 2) / 50 is more than 1, all that there is to win
  expect((await betterHead(runtime, taskOf(differ, 50))).hidden).toBe(0);
});
