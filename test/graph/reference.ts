/**
 * The operators once more, as slowly and plainly as possible, in float64: what `src/graph` is compared with.
 * Nothing here is taken from the code under test.
 */

export interface Dense {
  readonly shape: readonly number[];
  /** row-major */
  readonly data: Float64Array;
}

/** A tensor from a formula for the value at each index. */
export function dense(shape: readonly number[], formula: (...index: number[]) => number): Dense {
  const data = new Float64Array(shape.reduce((product, size) => product * size, 1));
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = formula(...index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return { shape, data };
}

/** The value at an index; zero outside, as convolutions see it. */
export function at({ shape, data }: Dense, ...index: number[]): number {
  let offset = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    if (index[axis]! < 0 || index[axis]! >= shape[axis]!) return 0;
    offset = offset * shape[axis]! + index[axis]!;
  }
  return data[offset]!;
}

export function map(x: Dense, f: (value: number) => number): Dense {
  return { shape: x.shape, data: x.data.map(f) };
}

/** Element by element by the rules of numpy: aligned at the end, a size of 1 stretches. */
export function zip(a: Dense, b: Dense, f: (left: number, right: number) => number): Dense {
  const rank = Math.max(a.shape.length, b.shape.length);
  const padded = (x: Dense): number[] => [...Array(rank - x.shape.length).fill(1), ...x.shape];
  const [left, right] = [padded(a), padded(b)];
  const stretched = (x: Dense, sizes: number[], index: number[]): number =>
    at(x, ...index.map((i, axis) => (sizes[axis] === 1 ? 0 : i)).slice(rank - x.shape.length));
  return dense(
    left.map((size, axis) => Math.max(size, right[axis]!)),
    (...index) => f(stretched(a, left, index), stretched(b, right, index)),
  );
}

export const add = (a: Dense, b: Dense): Dense => zip(a, b, (x, y) => x + y);
export const subtract = (a: Dense, b: Dense): Dense => zip(a, b, (x, y) => x - y);
export const multiply = (a: Dense, b: Dense): Dense => zip(a, b, (x, y) => x * y);
export const divide = (a: Dense, b: Dense): Dense => zip(a, b, (x, y) => x / y);

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
export const mean = (values: readonly number[]): number => sum(values) / values.length;
export const largest = (values: readonly number[]): number => Math.max(...values);

/** One number for all values that differ only in their index along `axes`. */
export function reduce(x: Dense, axes: readonly number[], keepAxes: boolean, f: (values: number[]) => number): Dense {
  const groups = new Map<string, number[]>();
  dense(x.shape, (...index) => {
    const key = String(index.filter((_, axis) => !axes.includes(axis)));
    const group = groups.get(key) ?? [];
    groups.set(key, [...group, at(x, ...index)]);
    return 0;
  });
  const shape = keepAxes
    ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : x.shape.filter((_, axis) => !axes.includes(axis));
  return { shape, data: Float64Array.from(groups.values(), f) };
}

/** erf(z) = 2 / sqrt(pi) * sum over n of (-1)^n z^(2n+1) / (n! (2n+1)); exact to 1e-12 for |z| < 3. */
export function erf(z: number): number {
  let [power, total] = [z, z];
  for (let n = 1; n < 80; n++) {
    power *= (-z * z) / n;
    total += power / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

/** x [B, C, H, W], weight [O, C/G, k, k], padding (k - 1) / 2 */
export function conv2d(x: Dense, weight: Dense, bias: Dense | null, stride: number, groups: number): Dense {
  const [batch, , height, width] = x.shape as [number, number, number, number];
  const [out, perGroup, kernel] = weight.shape as [number, number, number];
  const pad = (kernel - 1) / 2;
  const outPerGroup = out / groups;
  const shape = [batch, out, Math.ceil(height / stride), Math.ceil(width / stride)];
  return dense(shape, (b, o, i, j) => {
    let total = bias ? bias.data[o!]! : 0;
    const firstChannel = Math.floor(o! / outPerGroup) * perGroup;
    for (let c = 0; c < perGroup; c++)
      for (let u = 0; u < kernel; u++)
        for (let v = 0; v < kernel; v++)
          total += at(weight, o!, c, u, v) * at(x, b!, firstChannel + c, stride * i! + u - pad, stride * j! + v - pad);
    return total;
  });
}

/**
 * The gradients of <conv2d, dy> to x, weight and bias, stride 1 and one group: every product of the value's sum once more, in
 * plain loops, for geometries where central differences would take minutes.
 */
export function conv2dGradients(x: Dense, weight: Dense, dy: Dense): { x: Dense; weight: Dense; bias: Dense } {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [out, , kernel] = weight.shape as [number, number, number];
  const pad = (kernel - 1) / 2;
  const dx = new Float64Array(x.data.length);
  const dWeight = new Float64Array(weight.data.length);
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let o = 0; o < out; o++)
        for (let i = 0; i < height; i++)
          for (let j = 0; j < width; j++) {
            const slope = dy.data[((b * out + o) * height + i) * width + j]!;
            for (let u = Math.max(0, pad - i); u < Math.min(kernel, height + pad - i); u++)
              for (let v = Math.max(0, pad - j); v < Math.min(kernel, width + pad - j); v++) {
                const pixel = ((b * channels + c) * height + i + u - pad) * width + j + v - pad;
                const tap = ((o * channels + c) * kernel + u) * kernel + v;
                dx[pixel]! += slope * weight.data[tap]!;
                dWeight[tap]! += slope * x.data[pixel]!;
              }
          }
  return {
    x: { shape: x.shape, data: dx },
    weight: { shape: weight.shape, data: dWeight },
    bias: reduce(dy, [0, 2, 3], false, sum),
  };
}

/** [M, K] x [K, N] in the last two axes; leading axes as in `zip` */
export function matMul(a: Dense, b: Dense): Dense {
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape.at(-1)!;
  const rank = Math.max(a.shape.length, b.shape.length) - 2;
  const lead = Array.from({ length: rank }, (_, i) =>
    Math.max(a.shape[i - rank + a.shape.length - 2] ?? 1, b.shape[i - rank + b.shape.length - 2] ?? 1),
  );
  return dense([...lead, m, n], (...index) => {
    const [row, column] = index.slice(-2) as [number, number];
    const place = ({ shape }: Dense): number[] =>
      index.slice(rank + 2 - shape.length, rank).map((one, axis) => (shape[axis] === 1 ? 0 : one));
    let total = 0;
    for (let i = 0; i < k; i++) total += at(a, ...place(a), row, i) * at(b, ...place(b), i, column);
    return total;
  });
}

/** The `size` x `size` squares of x [B, C, H, W], each made one number. */
export function pool(x: Dense, size: number, f: (values: number[]) => number): Dense {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return dense([batch, channels, Math.floor(height / size), Math.floor(width / size)], (b, c, i, j) =>
    f(
      Array.from({ length: size * size }, (_, n) =>
        at(x, b!, c!, i! * size + Math.floor(n / size), j! * size + (n % size)),
      ),
    ),
  );
}

export function channelMean(x: Dense): Dense {
  return reduce(x, allButChannels(x), false, mean);
}

/** Mean squared distance to the mean; times count / (count - 1) where it must be unbiased. */
export function channelVariance(x: Dense): Dense {
  return reduce(x, allButChannels(x), false, (values) => mean(values.map((value) => (value - mean(values)) ** 2)));
}

function allButChannels({ shape }: Dense): number[] {
  return shape.map((_, axis) => axis).filter((axis) => axis !== 1);
}

/** (x - mean) / sqrt(variance + 1e-5) * gamma + beta with statistics [C] */
export function normalize(x: Dense, gamma: Dense, beta: Dense, center: Dense, variance: Dense): Dense {
  return dense(x.shape, (...index) => {
    const channel = index[1]!;
    const scaled = (at(x, ...index) - center.data[channel]!) / Math.sqrt(variance.data[channel]! + 1e-5);
    return scaled * gamma.data[channel]! + beta.data[channel]!;
  });
}

/** Over the last axis. */
export function softmax(x: Dense): Dense {
  const size = x.shape.at(-1)!;
  const data = x.data.map((value, i) => {
    const row = x.data.subarray(i - (i % size), i - (i % size) + size);
    return Math.exp(value) / sum([...row].map(Math.exp));
  });
  return { shape: x.shape, data };
}
