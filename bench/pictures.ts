/**
 * Reading pictures beside what `sharp` alone decodes in full and resizes, on all cores, in turns; and a training from a file of
 * pixels beside one from memory, with the memory that each takes.
 *
 *   npm run bench:pictures -- [--only reading|batches|start] [--count 200000] [--short]
 */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { createSamples, type ImageShape } from "../src/dataset/dataset.ts";
import { decodePictures } from "../src/dataset/decode.ts";
import { wholeFile } from "../src/dataset/file-place.ts";
import { filePixels } from "../src/dataset/pixel-file.ts";
import { memoryPixels, sharedBytes } from "../src/dataset/pixels.ts";
import { workerBatches } from "../src/dataset/worker-batches.ts";
import { seededRandom, uniform } from "../src/random.ts";

const SIDE = 64;
const SHAPE: ImageShape = [3, SIDE, SIDE];
const IMAGE_BYTES = 3 * SIDE * SIDE;
const ROUNDS = 2;

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    count: { type: "string", default: "200000" },
    short: { type: "boolean", default: false },
    part: { type: "string" },
    source: { type: "string" },
  },
});

/** Photograph-like JPEGs: smooth colours with grain. */
async function writeJpegs(folder: string, count: number, width: number, height: number): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const random = seededRandom(1);
  const small = Buffer.from(Array.from({ length: 24 * 16 * 3 }, () => Math.floor(256 * uniform(random))));
  const picture = await sharp(small, { raw: { width: 24, height: 16, channels: 3 } })
    .resize(width, height, { fit: "fill", kernel: "cubic" })
    .raw()
    .toBuffer();
  for (let i = 0; i < picture.length; i++) picture[i] = Math.min(255, Math.max(0, picture[i]! + ((i * 7919) % 17) - 8));
  const jpeg = await sharp(picture, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
  const paths = Array.from({ length: count }, (_, i) => join(folder, `${i}.jpg`));
  for (const path of paths) await writeFile(path, jpeg);
  return paths;
}

/** What `sharp` does by itself: the whole picture decoded, then resized. */
async function sharpAlone(paths: readonly string[]): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < paths.length) {
      const { data, info } = await sharp(await readFile(paths[next++]!))
        .raw()
        .toBuffer({ resolveWithObject: true });
      const { width, height, channels } = info;
      await sharp(data, { raw: { width, height, channels } }).resize(SIDE, SIDE).raw().toBuffer();
    }
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, work));
}

async function ours(paths: readonly string[], store: string): Promise<void> {
  closeSync(openSync(store, "w"));
  await decodePictures({
    path: store,
    shape: SHAPE,
    rows: paths.map((_, row) => row),
    from: (row) => wholeFile(paths[row]!),
    onDone: ({ reason }) => {
      if (reason) throw new Error(reason);
    },
  });
}

async function reading(folder: string): Promise<void> {
  for (const [full, width, height] of [
    [160, 3000, 2000],
    [1000, 800, 600],
    [4000, 160, 120],
  ] as const) {
    const count = flags.short ? full / 20 : full;
    const paths = await writeJpegs(join(folder, `${width}`), count, width, height);
    const rates = { sharp: 0, ours: 0 };
    for (let round = 0; round < ROUNDS; round++)
      for (const [name, run] of [
        ["sharp", sharpAlone] as const,
        ["ours", (some: readonly string[]) => ours(some, join(folder, "store"))] as const,
      ]) {
        const started = performance.now();
        await run(paths);
        rates[name] = Math.max(rates[name], (1000 * count) / (performance.now() - started));
      }
    const share = ((100 * rates.ours) / rates.sharp).toFixed(0);
    console.log(
      `${width}x${height} to ${SIDE}x${SIDE}: sharp alone ${rates.sharp.toFixed(0)}/s, here ${rates.ours.toFixed(0)}/s: ${share}% (best of ${ROUNDS}, in turns)`,
    );
  }
}

/** Batches a second, and the most memory, of one kind of source; in a process of its own. */
async function batches(kind: string, count: number, folder: string): Promise<void> {
  const path = join(folder, "many");
  const rows = Uint32Array.from({ length: count }, (_, i) => i);
  const labels = Uint16Array.from(rows, (i) => i % 10);
  const pixels =
    kind === "file"
      ? filePixels(path, IMAGE_BYTES, rows)
      : memoryPixels(sharedBytes(count * IMAGE_BYTES).fill(7), IMAGE_BYTES);
  const source = workerBatches({
    samples: createSamples(pixels, labels, "of a bench"),
    imageShape: SHAPE,
    classCount: 10,
    batchSize: 64,
    normalisation: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    augmentation: { padding: 4, flip: true, cutout: 8 },
    seed: 1,
  });
  const steps = 400;
  for (let step = 0; step < 20; step++) source.recycle(await source.next());
  const started = performance.now();
  for (let step = 0; step < steps; step++) source.recycle(await source.next());
  const milliseconds = (performance.now() - started) / steps;
  await source.close();
  const resident = process.resourceUsage().maxRSS / 1024;
  console.log(
    `${kind}, ${count} pictures: ${milliseconds.toFixed(2)} ms for a batch of 64, at most ${resident.toFixed(0)} MiB resident`,
  );
}

async function inTurns(folder: string, count: number): Promise<void> {
  const descriptor = openSync(join(folder, "many"), "w");
  const block = Buffer.alloc(IMAGE_BYTES * 100, 7);
  for (let i = 0; i < count; i += 100) writeSync(descriptor, block);
  closeSync(descriptor);
  for (let round = 0; round < 2; round++)
    for (const [kind, size] of [
      ["memory", 10_000],
      ["file", count],
    ] as const)
      spawnSync(
        process.execPath,
        [...process.execArgv, import.meta.filename, "--part", kind, "--count", String(size), "--source", folder],
        {
          stdio: "inherit",
        },
      );
}

/** A JPEG that says how it lies (EXIF), as those of telephones do. */
function turned(jpeg: Buffer, orientation: number): Buffer {
  const exif = Buffer.from("ffe100224578696600004d4d002a00000008000101120003000000010000000000000000", "hex");
  exif.writeUInt16BE(orientation, 28);
  return Buffer.concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]);
}

/** From `train --data` on untouched large photographs, defaults throughout, to the first training step. */
async function firstStep(folder: string, count: number): Promise<void> {
  const photos = join(folder, "photos");
  const random = seededRandom(2);
  for (let i = 0; i < count; i += 8) {
    const dots = Buffer.from(Array.from({ length: 96 * 64 * 3 }, () => Math.floor(256 * uniform(random))));
    const jpeg = await sharp(dots, { raw: { width: 96, height: 64, channels: 3 } })
      .resize(3000, 2000, { fit: "fill", kernel: "linear" })
      .jpeg({ quality: 85 })
      .toBuffer();
    for (let turn = 1; turn <= 8 && i + turn <= count; turn++) {
      const to = join(photos, turn % 2 === 0 ? "even" : "odd");
      await mkdir(to, { recursive: true });
      await writeFile(join(to, `${i + turn}.jpg`), turned(jpeg, turn)); // eight pictures, none like another
    }
  }
  const command = ["dist/cli/main.js", "train", "--data", photos, "--out", join(folder, "run"), "--validation", "0.2"];
  const started = performance.now();
  const child = spawn(process.execPath, command, {
    cwd: new URL("..", import.meta.url),
    env: { ...process.env, XDG_CACHE_HOME: join(folder, "cache") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let [said, seconds] = ["", 0];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (seconds > 0 || !/^train \d+% .*step \d+\//m.test(said)) return; // told at once, then every few seconds
    seconds = (performance.now() - started) / 1000;
    child.kill("SIGTERM");
  });
  await new Promise((resolve) => child.once("close", resolve));
  if (seconds === 0) throw new Error(`bench: a first step expected, found:\n${said}`);
  console.log(`${count} photographs of 3000x2000: first training step after ${seconds.toFixed(1)} s`);
}

if (flags.part) await batches(flags.part, Number(flags.count), flags.source!);
else {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-bench-"));
  try {
    const isAsked = (name: string): boolean => flags.only === undefined || flags.only === name;
    if (isAsked("reading")) await reading(folder);
    if (isAsked("batches")) await inTurns(folder, Number(flags.count));
    if (isAsked("start")) await firstStep(folder, flags.short ? 20 : 500);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
