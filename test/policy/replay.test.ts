import { expect, test } from "vitest";
import { CONTINUE, EXIT } from "../../src/exits/environment.ts";
import { createReplay, remember, sampleSlots } from "../../src/policy/replay.ts";
import { seededRandom } from "../../src/random.ts";

const RIGHT = { correctness: 1, costShare: 0, terminal: true };
const ON = { correctness: 0, costShare: 0.25, terminal: false };

test("holds both kinds of transition, their reward in two parts", () => {
  const replay = createReplay(4);
  remember(replay, 70_000, 1, CONTINUE, ON);
  remember(replay, 3, 2, EXIT, RIGHT);
  expect(replay.size).toBe(2);
  const column = (name: "image" | "exit" | "action" | "correctness" | "costShare" | "terminal") => [
    ...replay[name].subarray(0, 2),
  ];
  expect(column("image")).toEqual([70_000, 3]);
  expect(column("exit")).toEqual([1, 2]);
  expect(column("action")).toEqual([CONTINUE, EXIT]);
  expect(column("correctness")).toEqual([0, 1]);
  expect(column("costShare")).toEqual([0.25, 0]);
  expect(column("terminal")).toEqual([0, 1]);
});

test("the oldest transition leaves when it is full", () => {
  const replay = createReplay(3);
  for (let image = 0; image < 5; image++) remember(replay, image, 0, EXIT, RIGHT);
  expect(replay.size).toBe(3);
  expect([...replay.image].sort()).toEqual([2, 3, 4]);
});

test("every transition held is drawn equally often, and no other", () => {
  const replay = createReplay(10);
  for (let image = 0; image < 5; image++) remember(replay, image, 0, EXIT, RIGHT);
  const slots = new Uint32Array(10_000);
  sampleSlots(replay, seededRandom(1), slots);
  const counts = new Array<number>(10).fill(0);
  for (const slot of slots) counts[slot]! += 1;
  expect(counts.slice(5)).toEqual([0, 0, 0, 0, 0]);
  for (const drawn of counts.slice(0, 5)) expect(Math.abs(drawn - 2000)).toBeLessThan(160); // 4 standard deviations
});

test("nothing can be drawn from an empty one, and it must hold something", () => {
  expect(() => sampleSlots(createReplay(2), seededRandom(1), new Uint32Array(1))).toThrow(
    "at least 1 transition expected, found 0",
  );
  expect(() => createReplay(0)).toThrow("a capacity of at least 1 expected, found 0");
});
