import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluateYardsticks, tradeOffCurve } from "../../src/evaluation/comparison.ts";
import { answersOf } from "../../src/exits/answers.ts";
import { correctAnswers, returnOf } from "../../src/exits/environment.ts";
import { arbitraryDecisions } from "./arbitrary-decisions.ts";
import { ANSWERED, COSTS, TABLE, TAKEN } from "./by-hand.ts";

const always = (exit: number) => new Uint8Array(TABLE.count).fill(exit);

describe("evaluateYardsticks", () => {
  test("worked out by hand, at lambda 0.3", async () => {
    const yardsticks = [
      { name: "exit:1", decide: () => always(0) },
      { name: "exit:3", decide: () => always(2) },
      { name: "mixed", decide: async () => TAKEN },
    ];
    const [first, last, mixed] = await evaluateYardsticks(yardsticks, ANSWERED, COSTS, 0.3);
    expect(first).toMatchObject({ name: "exit:1", accuracy: 0.5, savings: 0.8, costMacs: 10 });
    expect(first!.return).toBeCloseTo(0.45, 12); // 0.5 - 0.3 x 10 / 60
    expect(last).toMatchObject({ name: "exit:3", accuracy: 1, costMacs: 60 });
    expect(last!.savings).toBeCloseTo(-0.2, 12); // heads on the way cost more than they spare
    expect(last!.return).toBeCloseTo(0.7, 12);
    expect(mixed).toMatchObject({ name: "mixed", accuracy: 0.75, savings: 0.6, costMacs: 20 });
    expect(mixed!.return).toBeCloseTo(0.65, 12); // 0.75 - 0.3 x 20 / 60
  });

  test("each is compared with the agent on the same images", async () => {
    const yardsticks = [
      { name: "dqn", decide: () => TAKEN },
      { name: "exit:3", fitted: { thresholds: [0.5] }, decide: () => always(2) },
      { name: "copy", decide: () => TAKEN },
    ];
    const [agent, last, copy] = await evaluateYardsticks(yardsticks, ANSWERED, COSTS, 0.3, 1);
    expect(agent!.minusAgent).toBeUndefined();
    expect(last!.fitted).toEqual({ thresholds: [0.5] });
    const { accuracy, savings, return: worth } = last!.minusAgent!;
    expect(accuracy.value).toBeCloseTo(0.25, 12); // image 3: right where the agent is wrong
    expect(savings.value).toBeCloseTo(-0.2 - 0.6, 12);
    expect(worth.value).toBeCloseTo(last!.return - agent!.return, 12);
    for (const { value, interval } of [accuracy, savings, worth]) {
      expect(interval[0]).toBeLessThanOrEqual(value);
      expect(interval[1]).toBeGreaterThanOrEqual(value);
    }
    expect(accuracy.interval).toEqual([0, 0.75]); // of 4 images 0 to 3 in 95% of the draws, each with a chance of a quarter
    for (const { value, interval } of Object.values(copy!.minusAgent!)) expect([value, ...interval]).toEqual([0, 0, 0]);
  });

  test("the return is the environment's", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryDecisions, fc.double({ min: 0, max: 2, noNaN: true }), async (random, lambda) => {
        const { exits, costs } = random;
        const answers = answersOf(random.table, random.rule);
        const [figures] = await evaluateYardsticks([{ name: "it", decide: () => exits }], answers, costs, lambda);
        const shares = costs.exitMacs.map((macs) => macs / costs.exitMacs.at(-1)!);
        expect(figures!.return).toBeCloseTo(returnOf(exits, correctAnswers(answers), shares, lambda), 10);
      }),
    );
  });

  test("refuses a yardstick that does not decide on every image", async () => {
    const short = { name: "short", decide: () => Uint8Array.of(0) };
    await expect(evaluateYardsticks([short], ANSWERED, COSTS, 0.1)).rejects.toThrow("found 1 for 4 images");
  });
});

test("tradeOffCurve, worked out by hand", async () => {
  const exitsAt = (lambda: number) => (lambda > 1 ? always(0) : TAKEN);
  expect(await tradeOffCurve([0.5, 2], exitsAt, ANSWERED, COSTS)).toEqual([
    { lambda: 0.5, accuracy: 0.75, costMacs: 20, savings: 0.6, exitShares: [0.5, 0.5, 0] },
    { lambda: 2, accuracy: 0.5, costMacs: 10, savings: 0.8, exitShares: [1, 0, 0] },
  ]);
});
