/** Equal decoded pixels give equal network input, byte for byte, in headless Chromium and in Node. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ImageShape } from "../../src/dataset/dataset.ts";
import { imageDataPixels } from "../../src/dataset/scale.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";

const PATIENCE = 120_000;
const SHAPES: readonly ImageShape[] = [
  [3, 32, 32],
  [3, 64, 64],
  [1, 28, 28],
  [3, 72, 56],
  [3, 224, 224],
];
/** Smaller, larger, as large, lying, standing, one pixel, a line; the last one as a telephone makes them. */
const SIZES = [
  [20, 20],
  [31, 47],
  [32, 32],
  [64, 64],
  [256, 256],
  [160, 120],
  [120, 160],
  [1, 1],
  [300, 1],
  [1001, 667],
  [3000, 2000],
] as const;

/** The same noise in both worlds (xorshift), opaque or not. This text also runs in the page. */
const noise = (width: number, height: number, isOpaque: boolean): Uint8ClampedArray => {
  const data = new Uint8ClampedArray(4 * width * height);
  let state = 2463534242 ^ (width * 65_537 + height);
  for (let i = 0; i < data.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    data[i] = i % 4 === 3 && isOpaque ? 255 : state & 255;
  }
  return data;
};

describe.skipIf(!CHROMIUM)(`scaling${CHROMIUM ? "" : " (Chromium not found)"}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-scale-"));
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const source = new URL("../../src/dataset/scale.ts", import.meta.url).pathname;
    writeFileSync(
      join(folder, "entry.js"),
      `import { imageDataPixels } from ${JSON.stringify(source)}; globalThis.imageDataPixels = imageDataPixels;`,
    );
    await build({
      root: folder,
      configFile: false,
      logLevel: "error",
      build: { lib: { entry: "entry.js", formats: ["es"], fileName: () => "scale.js" }, target: "es2022" },
    });
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto("data:text/html,<title>scale</title>");
    await page.addScriptTag({ type: "module", content: readFileSync(join(folder, "dist/scale.js"), "utf8") });
    await page.waitForFunction("globalThis.imageDataPixels");
    await page.evaluate(`globalThis.noise = ${noise.toString()}`);
  }, PATIENCE);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(SIZES)("%i x %i, to every size, opaque and not", { timeout: PATIENCE }, async (width, height) => {
    for (const shape of SHAPES)
      for (const isOpaque of [true, false]) {
        const found = await page.evaluate<number[]>(`
          Array.from(imageDataPixels(new ImageData(noise(${width}, ${height}, ${isOpaque}), ${width}, ${height}), [${shape}]))`);
        const expected = imageDataPixels({ data: noise(width, height, isOpaque), width, height }, shape);
        expect(found.length).toBe(shape[0] * shape[1] * shape[2]);
        const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
        expect(digest(Uint8Array.from(found)), `${shape}`).toBe(digest(expected));
      }
  });
});
