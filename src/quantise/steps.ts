/** Numbers as 8 bits: how a range becomes 256 steps, and weights become bytes. */

/** Where an activation's 256 steps lie: real = scale (q - zero), q from 0 to 255. */
export interface Steps {
  readonly scale: number;
  /** The step that stands for 0: exact, since padding is made of zeros. 0..255 */
  readonly zero: number;
}

/** From the smallest to the largest value that is kept; what lies outside is clipped to these. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** A range, stretched to hold 0, as steps. */
export function stepsOf({ min, max }: Range): Steps {
  const [low, high] = [Math.min(0, min), Math.max(0, max)];
  const scale = Math.fround((high - low) / 255) || 1;
  return { scale, zero: Math.min(255, Math.max(0, Math.round(-low / scale))) };
}

/** Weights below are zeros: scales of theirs would be too small for float32. */
const LEAST_WEIGHT = 1e-30;

/**
 * One scale for the weights of each output channel, so that the largest is `largest` steps: max |w| / largest, rounded up to 16
 * binary digits. Every scale times a whole number of 8 bits is then exact in float32, and weights that were rounded once give the same
 * scale and the same steps again.
 *
 * @param outputs O, the first axis of the weights
 * @returns [O]
 */
export function weightScales(weights: Float32Array, outputs: number, largest: number): Float32Array {
  const perOutput = weights.length / outputs;
  return Float32Array.from({ length: outputs }, (_, o) => {
    let most = 0;
    for (let i = o * perOutput; i < (o + 1) * perOutput; i++) most = Math.max(most, Math.abs(weights[i]!));
    return most < LEAST_WEIGHT ? 1 : roundedUp(most / largest);
  });
}

/** The least number of 16 binary digits that is not below a positive x. */
function roundedUp(x: number): number {
  const unit = 2 ** (Math.floor(Math.log2(x)) - 15);
  return Math.ceil(x / unit) * unit;
}

/** round(w / scale), per output channel; at a tie to even, as ONNX does it. */
export function weightSteps(weights: Float32Array, scales: Float32Array): Int8Array {
  const perOutput = weights.length / scales.length;
  return Int8Array.from(weights, (value, i) => roundedToEven(value / scales[Math.floor(i / perOutput)]!));
}

/** steps * scale, exact for the scales of `weightScales`. */
export function weightsFrom(steps: Int8Array, scales: Float32Array): Float32Array {
  const perOutput = steps.length / scales.length;
  return Float32Array.from(steps, (value, i) => value * scales[Math.floor(i / perOutput)]!);
}

export function roundedToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}
