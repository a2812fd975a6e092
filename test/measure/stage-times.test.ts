import { afterEach, expect, test, vi } from "vitest";
import { matMul } from "../../src/graph/linear.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { measureExitTimes, median, rising } from "../../src/measure/stage-times.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";

const graph = { outputs: { y: matMul(input("x", [1, 2]), constant(Float32Array.of(1, 0, 0, 1), [2, 2])) } };

afterEach(() => vi.restoreAllMocks());

/** A runtime and a clock: run r of the session made k-th takes `msOf(k, r)`. */
function timed(msOf: (session: number, run: number) => number): Runtime {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const runtime = createNodeRuntime({ threads: 1 });
  let sessions = 0;
  return {
    ...runtime,
    createSession: async (...args) => {
      const session = await runtime.createSession(...args);
      const number = sessions++;
      let runs = 0;
      const run = session.run.bind(session) as (feeds: object) => ReturnType<typeof session.run>;
      return Object.assign(Object.create(session) as typeof session, {
        release: () => session.release(),
        run: (feeds: object) => {
          now += msOf(number, runs++);
          return run(feeds);
        },
      });
    },
  };
}

test("the costs are the median times up to each exit, without the first runs and whatever some runs took", async () => {
  const usual = [2, 5, 4.5, 7];
  const runtime = timed((session, run) => usual[session]! * (run < 20 ? 50 : run % 3 === 0 ? 10 : 1));
  const feeds = { x: new Float32Array(2) };
  const { exitMacs, fullMacs } = await measureExitTimes(runtime, [graph, graph, graph], graph, feeds);
  expect(exitMacs[0]).toBeCloseTo(2, 9);
  expect(exitMacs[1]).toBeCloseTo(5, 9);
  expect(exitMacs[2]).toBeGreaterThan(exitMacs[1]!); // measured as less than the one before, which cannot be
  expect(exitMacs[2]).toBeCloseTo(5, 5);
  expect(fullMacs).toBeCloseTo(7, 9);
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
