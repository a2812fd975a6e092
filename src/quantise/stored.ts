/** Weights of an 8-bit network as a file holds them: whole steps, and one scale per output channel. */
import type { StoredArray } from "../files/safetensors.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { weightScales, weightSteps, weightsFrom } from "./steps.ts";

/** What stands behind the name of a weight where its scales [O] are. */
const SCALE = ".scale";
/** Its shape, where its steps are packed. */
const SHAPE = ".shape";

/**
 * @param integer names of those that are multiplied as integers
 * @param weightBits 8: steps as they are, `X` int8 of the weight's shape; 7: packed, eight steps in seven bytes, and the shape in `X.shape`
 */
export function storedWeights(
  weights: Weights,
  integer: ReadonlySet<string>,
  weightBits: 7 | 8,
): Map<string, StoredArray> {
  const stored = new Map<string, StoredArray>();
  for (const [name, array] of weights) {
    if (!integer.has(name)) {
      stored.set(name, array);
      continue;
    }
    const { shape, data } = array;
    const scales = weightScales(data, shape[0]!, largestStep(weightBits));
    const steps = weightSteps(data, scales);
    if (weightBits === 8) stored.set(name, { shape, data: steps });
    else {
      const packed = packSevenBits(steps);
      stored.set(name, { shape: [packed.length], data: packed });
      stored.set(`${name}${SHAPE}`, { shape: [shape.length], data: Int32Array.from(shape) });
    }
    stored.set(`${name}${SCALE}`, { shape: [scales.length], data: scales });
  }
  return stored;
}

/** The way back, exact. @param float reads an array of float32 by its name */
export function weightsOfStored(
  stored: ReadonlyMap<string, StoredArray>,
  float: (name: string) => NamedArray,
): Map<string, NamedArray> {
  const weights = new Map<string, NamedArray>();
  for (const [name, { shape: own, data }] of stored) {
    if (name.endsWith(SCALE) || name.endsWith(SHAPE)) continue;
    if (!(data instanceof Int8Array)) {
      weights.set(name, float(name));
      continue;
    }
    const packedShape = stored.get(`${name}${SHAPE}`);
    const shape = packedShape ? Array.from(packedShape.data, Number) : own;
    const steps = packedShape ? unpackSevenBits(data, sizeOf(shape)) : data;
    weights.set(name, { shape, data: weightsFrom(steps, float(`${name}${SCALE}`).data) });
  }
  return weights;
}

/** The largest number of steps that a weight may be: 127 of 8 bits, 63 of 7. */
export function largestStep(weightBits: 7 | 8): number {
  return 2 ** (weightBits - 1) - 1;
}

/** Numbers of -64..63, the lowest bits first. */
export function packSevenBits(steps: Int8Array): Int8Array {
  const packed = new Uint8Array(Math.ceil((steps.length * 7) / 8));
  for (let i = 0, bit = 0; i < steps.length; i++, bit += 7) {
    const value = (steps[i]! & 0x7f) << (bit % 8); // at most 14 bits
    const at = bit >> 3;
    packed[at]! |= value;
    if (value > 0xff) packed[at + 1]! |= value >> 8;
  }
  return new Int8Array(packed.buffer);
}

/** @throws {RangeError} if there are too few bytes */
export function unpackSevenBits(packed: Int8Array, count: number): Int8Array {
  if (packed.length !== Math.ceil((count * 7) / 8))
    throw new RangeError(`weights: ${count} numbers of 7 bits expected, found ${packed.length} bytes`);
  const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.length);
  return Int8Array.from({ length: count }, (_, i) => {
    const bit = i * 7;
    const at = bit >> 3;
    const value = ((bytes[at]! | ((bytes[at + 1] ?? 0) << 8)) >> (bit % 8)) & 0x7f;
    return value > 63 ? value - 128 : value;
  });
}
