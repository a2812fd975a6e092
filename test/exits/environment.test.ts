import fc from "fast-check";
import { expect, test } from "vitest";
import { CONTINUE, correctAnswers, EXIT, mayContinue, returnOf, reward, step } from "../../src/exits/environment.ts";

const SHARES = [0.2, 0.5, 1];
// two images: wrong, right, right; right, right, wrong
const CORRECT = Uint8Array.of(0, 1, 1, 1, 1, 0);

test("exit is rewarded by the answer and ends the episode", () => {
  expect(step(CORRECT, SHARES, 0, 0, EXIT)).toEqual({ correctness: 0, costShare: 0, terminal: true });
  expect(step(CORRECT, SHARES, 0, 2, EXIT)).toEqual({ correctness: 1, costShare: 0, terminal: true });
  expect(step(CORRECT, SHARES, 1, 0, EXIT)).toEqual({ correctness: 1, costShare: 0, terminal: true });
});

test("continue costs lambda times the difference of cost shares", () => {
  const outcome = step(CORRECT, SHARES, 0, 1, CONTINUE);
  expect(outcome).toEqual({ correctness: 0, costShare: 0.5, terminal: false });
  expect(reward(outcome, 0.3)).toBeCloseTo(-0.15, 12);
  expect(reward({ correctness: 1, costShare: 0 }, 0.3)).toBe(1);
});

test("continue is not allowed at the last exit", () => {
  expect([0, 1, 2].map((exit) => mayContinue(exit, 3))).toEqual([1, 1, 0]);
  expect(() => step(CORRECT, SHARES, 0, 2, CONTINUE)).toThrow("exit expected at the last exit (3), found continue");
});

test("a policy's return by hand", () => {
  // image 0 at exit 1: 1 - 0.1 * 0.5; image 1 at exit 2: 0 - 0.1
  expect(returnOf([1, 2], CORRECT, SHARES, 0.1)).toBeCloseTo((0.95 - 0.1) / 2, 12);
  expect(() => returnOf([1], CORRECT, SHARES, 0.1)).toThrow("one exit for each of 2 images expected, found 1");
});

test("a policy's return is the sum of its rewards, less the first exit's price", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(2)), { minLength: 1, maxLength: 30 }),
      fc.double({ min: 0, max: 3, noNaN: true }),
      (images, lambda) => {
        const correct = Uint8Array.from(images.flatMap((one) => one.slice(0, 3)));
        const sum = images.reduce((total, [, , , chosen], image) => {
          let episode = 0;
          for (let exit = 0; exit < chosen; exit++)
            episode += reward(step(correct, SHARES, image, exit, CONTINUE), lambda);
          return total + episode + reward(step(correct, SHARES, image, chosen, EXIT), lambda);
        }, 0);
        const chosen = images.map((one) => one[3]);
        expect(returnOf(chosen, correct, SHARES, lambda)).toBeCloseTo(sum / images.length - lambda * SHARES[0]!, 10);
      },
    ),
  );
});

test("the answer is the likeliest class, the first one at a tie", () => {
  const answers = {
    logProbabilities: Float32Array.of(1, 1, 0, /**/ 0, 2, 1, /**/ 0, 0, 3, /**/ -1, -2, -1),
    labels: Uint16Array.of(0, 2),
    count: 2,
    exits: 2,
    classes: 3,
  };
  expect([...correctAnswers(answers)]).toEqual([1, 0, 1, 0]);
});
