/** What heads learn from: the network runs once over the pictures, and what its tensors say is pooled and kept. */

import { normalisationTable } from "../dataset/augmentation.ts";
import { normalise } from "../dataset/batches.ts";
import { type ImageShape, type Samples, subset } from "../dataset/dataset.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { pooledFeatures } from "../network/head.ts";
import { buildPart, partBetween } from "../network/imported-graph.ts";
import { fedInput, type OpenedNetwork, ownAnswer } from "../network/imported-network.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** A tensor of the network, pooled by `pooledFeatures`. */
export interface Wanted {
  readonly name: string;
  readonly grid: number;
}

/** Letters: N images, F features. */
export interface FrozenFeatures {
  readonly count: number;
  /** [N, F] for each tensor, in their order */
  readonly features: readonly Float32Array[];
  /** [N, K'] the network's own answer */
  readonly answers: Float32Array;
}

/** Pixels that run at once. */
const PIXELS = 64 * 64 * 64;
const MOST_BATCH = 64;

/**
 * @param mirrored from right to left: what heads see besides the pictures as they are
 * @param onProgress is told how many of the N images are done
 */
export async function computeFeatures(
  runtime: Runtime,
  network: OpenedNetwork,
  samples: Samples,
  wanted: readonly Wanted[],
  {
    mirrored = false,
    onProgress = () => {},
  }: { mirrored?: boolean; onProgress?: (done: number, total: number) => void } = {},
): Promise<FrozenFeatures> {
  const { shape, normalisation } = network.picture;
  const batch = Math.max(1, Math.min(MOST_BATCH, Math.floor(PIXELS / (shape[1] * shape[2]))));
  const images = input("images", [1, ...shape]);
  const pooled = pooledTensors(network, wanted, images);
  const answer = ownAnswer(network, images);
  const outputs = Object.fromEntries([...pooled.map((one, i) => [`f${i}`, one] as const), ["answer", answer]]);
  const program = await Program.compile(runtime, { outputs, anyBatch: true });
  const features = pooled.map((one) => new Float32Array(samples.count * one.shape[1]!));
  const width = answer.shape[1]!;
  const answers = new Float32Array(samples.count * width);
  const table = normalisationTable(normalisation);
  try {
    for (let first = 0; first < samples.count; first += batch) {
      const count = Math.min(batch, samples.count - first);
      const pixels = samples.pixels.read(first, first + count);
      const values = normalise(mirrored ? mirror(pixels, shape) : pixels, table, shape[1] * shape[2]);
      const results = await program.run({ images: values });
      for (const [i, one] of features.entries()) {
        one.set(results[`f${i}`]!, first * pooled[i]!.shape[1]!);
      }
      answers.set(results.answer!, first * width);
      onProgress(first + count, samples.count);
    }
  } finally {
    await program.close();
  }
  return { count: samples.count, features, answers };
}

function pooledTensors(network: OpenedNetwork, wanted: readonly Wanted[], images: Tensor): Tensor[] {
  const { prepared } = network;
  const names = wanted.map(({ name }) => name);
  const part = partBetween(prepared, new Set([prepared.main]), names);
  const tensor = buildPart(prepared, part, new Map([[prepared.main, fedInput(network, images)]]), true);
  return wanted.map(({ name, grid }) => pooledFeatures(tensor(name), grid));
}

function mirror(pixels: Uint8Array, [, , width]: ImageShape): Uint8Array {
  const out = new Uint8Array(pixels.length);
  for (let row = 0; row < pixels.length; row += width)
    for (let x = 0; x < width; x++) out[row + x] = pixels[row + width - 1 - x]!;
  return out;
}

/** Some pictures, evenly spread. */
export function spread(samples: Samples, most: number): Samples {
  if (samples.count <= most) return samples;
  return subset(
    samples,
    Uint32Array.from({ length: most }, (_, i) => Math.floor((i * samples.count) / most)),
  );
}
