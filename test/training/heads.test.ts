import { expect, test } from "vitest";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { headAnswers, softTargets, trainHead } from "../../src/training/heads.ts";
import { probe } from "../../src/training/probe.ts";

const runtime = createNodeRuntime({ threads: 1 });
const [COUNT, WIDTH, CLASSES] = [240, 6, 3];

/** Features whose class is the largest of three of them, at different scales and places. */
function made(seed: number) {
  const random = seededRandom(seed);
  const features = new Float32Array(COUNT * WIDTH);
  const labels = new Uint16Array(COUNT);
  for (let i = 0; i < COUNT; i++) {
    const row = Array.from({ length: WIDTH }, () => normal(random));
    labels[i] = row.slice(0, CLASSES).indexOf(Math.max(...row.slice(0, CLASSES)));
    row.forEach((value, d) => {
      features[i * WIDTH + d] = 40 * d + 10 ** d * value * 0.01;
    });
  }
  return { features, labels };
}

function accuracy(logits: Float32Array, labels: Uint16Array): number {
  let right = 0;
  labels.forEach((label, i) => {
    const row = [...logits.subarray(i * CLASSES, (i + 1) * CLASSES)];
    right += row.indexOf(Math.max(...row)) === label ? 1 : 0;
  });
  return right / labels.length;
}

test("a head with a hidden layer learns what is there, whatever the scale of its features; same seed, same bytes", async () => {
  const [train, other] = [made(1), made(2)];
  const task = {
    features: train.features,
    targets: softTargets(train.labels, CLASSES, null),
    weights: new Float32Array(COUNT).fill(1),
    classes: CLASSES,
    hidden: 16,
    seed: 3,
  };
  const weights = await trainHead(runtime, task);
  expect(accuracy(headAnswers(other.features, COUNT, weights, 16), other.labels)).toBeGreaterThan(0.85);
  expect(await trainHead(runtime, task)).toEqual(weights);
});

test("pictures that do not reach an exit do not count there", async () => {
  const { features, labels } = made(1);
  const wrong = labels.map((label) => (label + 1) % CLASSES);
  const weights = new Float32Array(COUNT).fill(0).map((_, i) => (i % 2 ? 1 : 0));
  const targets = softTargets(
    labels.map((label, i) => (i % 2 ? label : wrong[i]!)),
    CLASSES,
    null,
  );
  const head = await trainHead(runtime, { features, targets, weights, classes: CLASSES, hidden: 0, seed: 1 });
  expect(accuracy(headAnswers(features, COUNT, head, 0), labels)).toBeGreaterThan(0.75);
});

test("targets: half the label, half the teacher at its temperature", () => {
  const targets = softTargets([2], 3, Float32Array.of(2 * Math.log(2), 0, 2 * Math.log(3)), {
    share: 0.5,
    temperature: 2,
  });
  for (const [k, value] of [2 / 12, 1 / 12, 3 / 12 + 0.5].entries()) expect(targets[k]).toBeCloseTo(value, 6);
  expect([...softTargets([1], 3, null)]).toEqual([0, 1, 0]);
});

test("a probe finds the class of others", async () => {
  const [train, other] = [made(1), made(2)];
  const scores = await probe(runtime, train.features, train.labels, CLASSES, other.features);
  expect(accuracy(scores, other.labels)).toBeGreaterThan(0.85);
});
