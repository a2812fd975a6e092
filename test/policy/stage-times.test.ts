import { expect, test } from "vitest";
import { matMul } from "../../src/graph/linear.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { measureExitTimes, median, rising } from "../../src/policy/stage-times.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";

const WIDTH = 256;

/** x [1, 256] times so many square matrices. */
function graph(products: number) {
  const matrix = constant(
    new Float32Array(WIDTH * WIDTH).map((_, i) => Math.sin(i) / WIDTH),
    [WIDTH, WIDTH],
  );
  let y = input("x", [1, WIDTH]);
  for (let n = 0; n < products; n++) y = matMul(y, matrix);
  return { outputs: { y } };
}

test("the costs are the times up to each exit", async () => {
  const runtime = createNodeRuntime({ threads: 1 });
  const exits = [graph(2), graph(62), graph(64)];
  const feeds = { x: new Float32Array(WIDTH).fill(1) };
  const { exitMacs, fullMacs } = await measureExitTimes(runtime, exits, graph(64), feeds);
  const [first, second, third] = exitMacs as [number, number, number];
  expect(first).toBeGreaterThan(0);
  expect(second).toBeGreaterThan(4 * first); // 31 times the work, on a machine that may be busy
  expect(third).toBeGreaterThan(second);
  expect(third - second).toBeLessThan(second - first);
  expect(fullMacs).toBeGreaterThan(3 * first);
});

test("an exit that the clock cannot tell from the one before still costs something more", () => {
  const costs = rising([0.5, 0.5, 0.4, 1]);
  expect(costs[0]).toBe(0.5);
  expect(costs[1]).toBeGreaterThan(costs[0]!);
  expect(costs[2]).toBeGreaterThan(costs[1]!);
  expect(costs[2]).toBeCloseTo(0.5, 5);
  expect(costs[3]).toBe(1);
});

test("the median of even and odd counts", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
