import { expect, test } from "vitest";
import { matMul } from "../../src/graph/linear.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { measureExitTimes, median, runningSums } from "../../src/policy/stage-times.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";

const WIDTH = 256;

/** x [1, 256] times so many square matrices. */
function stage(products: number, isLast: boolean) {
  const matrix = constant(
    new Float32Array(WIDTH * WIDTH).map((_, i) => Math.sin(i) / WIDTH),
    [WIDTH, WIDTH],
  );
  let y = input("x", [1, WIDTH]);
  for (let n = 0; n < products; n++) y = matMul(y, matrix);
  return { outputs: isLast ? { y } : { "next:x": y }, anyBatch: true };
}

test("the costs are the times of the stages, added up", async () => {
  const runtime = createNodeRuntime({ threads: 1 });
  const stages = [stage(2, false), stage(60, false), stage(2, true)];
  const { exitMacs, fullMacs } = await measureExitTimes(
    runtime,
    stages,
    stage(64, true),
    { x: new Float32Array(WIDTH).fill(1) },
    (_, given) => ({ x: given["next:x"]! }),
  );
  const [first, second, third] = exitMacs as [number, number, number];
  expect(first).toBeGreaterThan(0);
  expect(second - first).toBeGreaterThan(3 * first); // 30 times the work, on a machine that may be busy
  expect(third).toBeGreaterThan(second);
  expect(third - second).toBeLessThan(second - first);
  expect(fullMacs).toBeGreaterThan(3 * first);
});

test("a stage that the clock cannot see still costs something", () => {
  const costs = runningSums([0.5, 0, 1]);
  expect(costs[1]).toBeGreaterThan(costs[0]!);
  expect(costs[2]).toBeCloseTo(1.5, 5);
});

test("the median of even and odd counts", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
