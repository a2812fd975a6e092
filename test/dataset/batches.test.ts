import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { normalisationTable } from "../../src/dataset/augmentation.ts";
import {
  type BatchOptions,
  type BatchSource,
  evaluationBatches,
  inlineBatches,
  stepsPerEpoch,
} from "../../src/dataset/batches.ts";
import { createSamples } from "../../src/dataset/dataset.ts";
import { allPixels } from "../../src/dataset/pixels.ts";
import { workerBatches } from "../../src/dataset/worker-batches.ts";

const isBuilt = existsSync("dist/dataset/batch-worker.js");
const count = 23;
const size = 3 * 4 * 4;

/** Image i is filled with the byte i, so that a batch tells which images it holds. */
const samples = createSamples(
  Uint8Array.from({ length: count * size }, (_, i) => Math.floor(i / size)),
  Uint16Array.from({ length: count }, (_, i) => i % 3),
);
const options: BatchOptions = {
  samples,
  imageShape: [3, 4, 4],
  classCount: 3,
  batchSize: 5,
  normalisation: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
  augmentation: { padding: 1, flip: true, cutout: 0 },
  seed: 4,
};

const opened: BatchSource[] = [];
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
});

function open(source: BatchSource): BatchSource {
  opened.push(source);
  return source;
}

/** Copies of the next `steps` batches, which are recycled at once. */
async function collect(source: BatchSource, steps: number) {
  const copies = [];
  for (let i = 0; i < steps; i++) {
    const batch = await source.next();
    copies.push(structuredClone(batch));
    source.recycle(batch);
  }
  return copies;
}

function imagesIn(batch: { images: Float32Array; labels: Uint16Array }): number[] {
  return [...batch.labels.keys()].map((position) => Math.round(batch.images[position * size]!));
}

describe("inlineBatches", () => {
  test("an epoch shows every image at most once, in an order of its own, with the right labels", async () => {
    const perEpoch = stepsPerEpoch(count, 5);
    expect(perEpoch).toBe(4);
    const batches = await collect(inlineBatches(options), 3 * perEpoch);
    const epochs = [0, 1, 2].map((e) => batches.slice(e * perEpoch, (e + 1) * perEpoch).flatMap(imagesIn));
    for (const epoch of epochs) expect(new Set(epoch).size).toBe(20);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(new Set(epochs.flat()).size).toBe(count); // those left out of one epoch come in another
    for (const { images, labels, targets } of batches) {
      expect([...labels]).toEqual(imagesIn({ images, labels }).map((i) => i % 3));
      expect([...targets]).toEqual([...labels].flatMap((label) => [0, 1, 2].map((k) => Number(k === label))));
    }
  });

  test("starting at step s gives what an uninterrupted run gives there", async () => {
    const whole = await collect(inlineBatches(options), 12);
    for (const firstStep of [1, 4, 7]) {
      expect(await collect(inlineBatches({ ...options, firstStep }), 12 - firstStep)).toEqual(whole.slice(firstStep));
    }
  });

  test("another seed, other batches", async () => {
    const [a] = await collect(inlineBatches(options), 1);
    const [b] = await collect(inlineBatches({ ...options, seed: 5 }), 1);
    expect(imagesIn(a!)).not.toEqual(imagesIn(b!));
  });

  test("a recycled batch is overwritten, not allocated anew", async () => {
    const source = inlineBatches(options);
    const first = await source.next();
    source.recycle(first);
    expect((await source.next()).images).toBe(first.images);
    expect((await source.next()).images).not.toBe(first.images);
  });

  test("refuses what cannot be batched", async () => {
    expect(() => inlineBatches({ ...options, batchSize: 24 })).toThrow("1..23 (all images), found 24");
    const padding = { padding: 4, flip: false, cutout: 0 };
    expect(() => inlineBatches({ ...options, augmentation: padding })).toThrow(RangeError);
    await expect(inlineBatches({ ...options, classCount: 2 }).next()).rejects.toThrow("labels below 2, found 2");
  });

  test("a closed source gives no batches", async () => {
    const source = inlineBatches(options);
    await source.close();
    await expect(source.next()).rejects.toThrow("found a closed one");
  });
});

describe.skipIf(!isBuilt)(`workerBatches${isBuilt ? "" : " (skipped: build dist/ first, npm run build)"}`, () => {
  test("gives the bytes of inlineBatches, from any step, and reuses what is recycled", async () => {
    for (const firstStep of [0, 6]) {
      const expected = await collect(inlineBatches({ ...options, firstStep }), 20);
      expect(await collect(open(workerBatches({ ...options, firstStep })), 20)).toEqual(expected);
    }
  });

  test("batches asked for at the same time come in order", async () => {
    const source = open(workerBatches(options));
    const batches = await Promise.all(Array.from({ length: 7 }, () => source.next()));
    const expected = await collect(inlineBatches(options), 7);
    expect(batches.map(imagesIn)).toEqual(expected.map(imagesIn));
  });

  test("recycling moves the buffers to the worker, it does not copy them", async () => {
    const source = open(workerBatches(options));
    const first = await source.next();
    source.recycle(first);
    await source.next();
    expect(first.images.buffer.byteLength).toBe(0);
  });

  test("an error in the worker rejects next, and every next after it", async () => {
    const source = open(workerBatches({ ...options, classCount: 2 }));
    await expect(collect(source, 4)).rejects.toThrow("labels below 2, found 2");
    await expect(source.next()).rejects.toThrow("labels below 2, found 2");
  });

  test("closing rejects whoever waits", async () => {
    const source = workerBatches(options);
    const waiting = expect(source.next()).rejects.toThrow("found a closed one");
    await source.close();
    await waiting;
    await expect(source.next()).rejects.toThrow("found a closed one");
  });

  test("a closed source lets the process end", () => {
    const script = `
      import { workerBatches } from "./dist/dataset/worker-batches.js";
      import { createSamples } from "./dist/dataset/dataset.js";
      const samples = createSamples(new Uint8Array(12), new Uint16Array(4));
      const normalisation = { mean: [0, 0, 0], std: [1, 1, 1] };
      const augmentation = { padding: 0, flip: false, cutout: 0 };
      const shape = { imageShape: [3, 1, 1], classCount: 1, batchSize: 2 };
      const source = workerBatches({ samples, ...shape, normalisation, augmentation, seed: 1 });
      console.log((await source.next()).labels.length);
      await source.close();`;
    const child = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect([child.stdout, child.status, child.signal]).toEqual(["2\n", 0, null]);
  }, 30_000);

  test("wrong options throw where they are given", () => {
    expect(() => workerBatches({ ...options, batchSize: 0 })).toThrow(RangeError);
  });
});

describe("evaluationBatches", () => {
  test("gives all images once, in order, normalised and nothing else", () => {
    const normalisation = { mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 0.125] };
    const table = normalisationTable(normalisation);
    const batches = [...evaluationBatches(samples, 10, normalisation)];
    expect(batches.map(({ first, count }) => [first, count])).toEqual([
      [0, 10],
      [10, 10],
      [20, 3],
    ]);
    const values = batches.flatMap(({ images }) => [...images]);
    const expected = [...allPixels(samples.pixels)].map((byte, i) => table[(Math.floor(i / 16) % 3) * 256 + byte]!);
    expect(values).toEqual(expected);
    expect(batches.flatMap(({ labels }) => [...labels])).toEqual([...samples.labels]);
  });

  test("refuses an empty batch", () => {
    expect(() => [...evaluationBatches(samples, 0, options.normalisation)]).toThrow(RangeError);
  });
});
