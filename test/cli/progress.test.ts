import { expect, test } from "vitest";
import { createProgress, timeLeft } from "../../src/cli/progress.ts";

test("the time left is the mean of all steps so far, slow looks included", () => {
  let ms = 1000;
  const left = timeLeft(() => ms);
  expect(left(10, 100)).toBeNull(); // resumed at step 10: nothing is known yet
  ms += 2000;
  expect(left(30, 100)).toBeCloseTo(7, 9); // 0.1 s a step, 70 to go
  ms += 6000; // a look at the validation images
  expect(left(50, 100)).toBeCloseTo(10, 9); // 8 s for 40 steps, 50 to go
});

test("a line on a terminal fits its columns", () => {
  let written = "";
  const stream = {
    isTTY: true,
    columns: 80,
    write: (text: string) => {
      written += text;
      return true;
    },
    on: () => stream,
    removeListener: () => stream,
  } as unknown as NodeJS.WriteStream;
  const progress = createProgress(stream);
  const one = {
    kind: "train" as const,
    loss: 1.2345,
    learningRate: 0.1,
    gradientNorm: 1,
    imagesPerSecond: 1234,
    secondsLeft: 3599,
  };
  for (const step of [1, 500])
    progress.training({
      ...one,
      step,
      steps: 100_000,
      epoch: 12.3,
      epochs: 100,
      accuracy: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    });
  progress.stop();
  const controls = String.fromCharCode(27);
  const lines = written.split(new RegExp(`${controls}\\[[0-9;?]*[A-Za-z]|[\\r\\n]`)).map((line) => line.trimEnd());
  expect(lines.some((line) => line.startsWith("train ") && line.includes("epoch 12.3/100"))).toBe(true);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});
