import { type Shape, sizeOf } from "../graph/tensor.ts";
import { normal, type Random, seededRandom, uniform } from "../random.ts";

export interface NamedArray {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** All parameters and running statistics of a network, by name; see `applyLayers` for the names. */
export type Weights = ReadonlyMap<string, NamedArray>;

/**
 * How convolutions begin. "he": at random. "dirac": the first min(O, C) output channels pass one input channel each through
 * unchanged, the others are random; a deep network then begins nearly as a shallow one.
 *
 * @see Zagoruyko and Komodakis, "DiracNets" (2017), as in Keller Jordan, "94% on CIFAR-10 in 3.29 seconds" (2024), section 3.3
 */
export const initialisations = ["he", "dirac"] as const;
export type Initialisation = (typeof initialisations)[number];

/**
 * First values of a parameter, by what its name ends in:
 * - weights of convolutions [O, C, k, k]: normal with variance 2 / (C k k), He et al. (2015); for "dirac" see `Initialisation`
 * - weights of linear layers [out, in]: uniform in +-1 / sqrt(in)
 * - `gamma` and `variance`: 1
 * - `bias`, `beta` and `mean`: 0
 */
export function initialValues(
  name: string,
  shape: Shape,
  seed: number,
  initialisation: Initialisation = "he",
): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  if (name.endsWith(".gamma") || name.endsWith(".variance")) return values.fill(1);
  if (!name.endsWith(".weight")) return values;
  const random = randomFor(name, seed);
  const fanIn = sizeOf(shape.slice(1));
  const draw =
    shape.length === 4
      ? () => normal(random) * Math.sqrt(2 / fanIn)
      : () => (2 * uniform(random) - 1) / Math.sqrt(fanIn);
  for (let i = 0; i < values.length; i++) values[i] = draw();
  if (initialisation === "dirac" && shape.length === 4) passThrough(values, shape);
  return values;
}

/** Output channel i becomes input channel i, for as many as there are of both. */
function passThrough(values: Float32Array, [outputs, inputs, kernel]: Shape): void {
  const taps = kernel! ** 2;
  for (let i = 0; i < Math.min(outputs!, inputs!); i++) {
    values.fill(0, i * inputs! * taps, (i + 1) * inputs! * taps);
    values[(i * inputs! + i) * taps + (taps >> 1)] = 1;
  }
}

/** Depends on the parameter's own name, so that changing one layer leaves the others as they were. */
function randomFor(name: string, seed: number): Random {
  return seededRandom(seed, ...new TextEncoder().encode(name));
}
