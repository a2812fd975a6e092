/** Where an answer comes from. */
import { expect, test } from "vitest";
import type { ExitTrace } from "../../src/inference/classification.ts";
import { occlusion } from "../../src/inference/occlusion.ts";

const SIDE = 16;

/** Says how bright one pixel is at exit 1, and nothing of the picture at exit 2. */
const looksAt = (y: number, x: number) => ({
  async traces(pixels: Uint8Array): Promise<ExitTrace[]> {
    const bright = pixels[y * SIDE + x]! / 255;
    return [bright, 0.75].map((confidence, exit) => ({
      exit: exit + 1,
      classIndex: 0,
      probabilities: [confidence, 1 - confidence],
      confidence,
      margin: 0,
      entropy: 0,
      qExit: null,
      qContinue: null,
      exited: exit === 1,
    }));
  },
});

test("covering what an exit looks at costs its answer, covering anything else costs nothing", async () => {
  const pixels = new Uint8Array(SIDE * SIDE);
  const [y, x] = [5, 10];
  pixels[y * SIDE + x] = 255; // the mean colour is 1 of 255
  const { grid, drops } = await occlusion(looksAt(y, x), pixels, [1, SIDE, SIDE], 0.1);
  expect(grid).toBe(8);
  const hit = [...drops[0]!.keys()].filter((i) => drops[0]![i]! > 0);
  // patches of 4x4 pixels around the middles 1, 3, 5, ..: rows 2 and 3 (3..7 and 5..9), columns 4 and 5 (7..11 and 9..13)
  expect(hit.map((i) => [Math.floor(i / grid), i % grid])).toEqual([
    [2, 4],
    [2, 5],
    [3, 4],
    [3, 5],
  ]);
  for (const i of hit) expect(drops[0]![i]).toBeCloseTo(254 / 255, 5);
  expect([...drops[1]!]).toEqual(new Array(64).fill(0));
  expect(pixels[y * SIDE + x]).toBe(255); // the picture itself is left alone
});
