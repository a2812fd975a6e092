import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { inlineBatches } from "../../src/dataset/batches.ts";
import { createSamples } from "../../src/dataset/dataset.ts";
import { filePixels, openPixels } from "../../src/dataset/pixel-file.ts";
import { allPixels, memoryPixels, type PixelSource, pixelChunks } from "../../src/dataset/pixels.ts";
import { workerBatches } from "../../src/dataset/worker-batches.ts";

const bytes = Uint8Array.from({ length: 10 * 12 }, (_, i) => i);
const folder = mkdtempSync(join(tmpdir(), "earlyexit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, "pixels");
writeFileSync(path, bytes);
const sources: [string, PixelSource][] = [
  ["memory", memoryPixels(bytes, 12)],
  [
    "a file",
    filePixels(
      path,
      12,
      Uint32Array.from({ length: 10 }, (_, i) => i),
    ),
  ],
];

describe.each(sources)("pixels in %s", (_, pixels) => {
  test("are read from any picture to any other", () => {
    expect([pixels.count, pixels.imageBytes]).toEqual([10, 12]);
    expect([...pixels.read(3, 5)]).toEqual([...bytes.subarray(36, 60)]);
    expect(pixels.read(4, 4).length).toBe(0);
    expect([...pixels.read(0, 10)]).toEqual([...bytes]);
  });

  test("are chosen, repeated and chosen again", () => {
    const chosen = pixels.select(Uint32Array.of(7, 8, 2, 2));
    expect([...chosen.read(0, 4)].filter((__, i) => i % 12 === 0)).toEqual([84, 96, 24, 24]);
    expect([...chosen.select(Uint32Array.of(1)).read(0, 1)]).toEqual([...bytes.subarray(96, 108)]);
  });

  test("are opened by another thread from plain data", () => {
    const place = structuredClone(pixels.select(Uint32Array.of(9, 0)).place);
    expect([...allPixels(openPixels(place))]).toEqual([...bytes.subarray(108), ...bytes.subarray(0, 12)]);
  });

  test("give the same batches, inline and in a worker, and the same hash", async () => {
    const samples = createSamples(
      pixels,
      Uint16Array.from({ length: 10 }, (_, i) => i % 2),
    );
    expect(samples.sha256).toBe(createSamples(bytes, samples.labels).sha256);
    const options = {
      samples,
      imageShape: [3, 2, 2] as const,
      classCount: 2,
      batchSize: 4,
      normalisation: { mean: [0, 0, 0], std: [1, 1, 1] },
      augmentation: { padding: 1, flip: true, cutout: 1 },
      seed: 3,
    };
    const expected = inlineBatches({ ...options, samples: createSamples(bytes, samples.labels) });
    const worker = workerBatches(options);
    const inline = inlineBatches(options);
    for (let step = 0; step < 4; step++) {
      const { images } = await expected.next();
      expect((await inline.next()).images).toEqual(images);
      expect((await worker.next()).images).toEqual(images);
    }
    await worker.close();
  });
});

test("large sets come in pieces", () => {
  const pixels = memoryPixels(new Uint8Array(3 * 2 ** 21 + 1).fill(7, 0, 1).subarray(1), 2 ** 21);
  expect([...pixelChunks(pixels)].map((chunk) => chunk.length)).toEqual([2 ** 22, 2 ** 21]);
});

test("a file that became shorter is told", () => {
  const short = join(folder, "short");
  writeFileSync(short, bytes.subarray(0, 20));
  expect(() => filePixels(short, 12, Uint32Array.of(0, 1)).read(0, 2)).toThrow("found its end; the file was changed");
});
