/** prediction = base + sum over columns of slope * (x - centre) */
export interface Ridge {
  readonly base: number;
  /** [D] */
  readonly slopes: Float64Array;
  /** [D] */
  readonly centres: Float64Array;
}

/**
 * Linear least squares with a penalty on the size of the slopes: minimises
 * sum over rows of (y - prediction)^2 + penalty * sum over columns of (slope * deviation of the column)^2.
 * Columns that do not vary get slope 0.
 *
 * @param x [N, D] row by row
 * @param y [N]
 * @see Hoerl and Kennard, "Ridge Regression" (1970); solved by Cholesky decomposition
 */
export function fitRidge(x: Float32Array, y: Float64Array, penalty: number): Ridge {
  const count = y.length;
  const width = x.length / count;
  const { centres, deviations } = columnMoments(x, count);
  const base = y.reduce((sum, one) => sum + one, 0) / count;
  const active = Array.from({ length: width }, (_, d) => d).filter((d) => deviations[d]! > 1e-7);
  const size = active.length;
  const matrix = new Float64Array(size * size);
  const right = new Float64Array(size);
  const row = new Float64Array(size);
  for (let i = 0; i < count; i++) {
    for (let a = 0; a < size; a++) {
      const d = active[a]!;
      row[a] = (x[i * width + d]! - centres[d]!) / deviations[d]!;
    }
    for (let a = 0; a < size; a++) {
      right[a]! += row[a]! * (y[i]! - base);
      for (let b = 0; b <= a; b++) matrix[a * size + b]! += row[a]! * row[b]!;
    }
  }
  for (let a = 0; a < size; a++) matrix[a * size + a]! += penalty;
  const solution = solveCholesky(matrix, right);
  const slopes = new Float64Array(width);
  active.forEach((d, a) => {
    slopes[d] = solution[a]! / deviations[d]!;
  });
  return { base, slopes, centres };
}

/** [N] predictions for x [N, D]. */
export function predictRidge({ base, slopes, centres }: Ridge, x: Float32Array, count: number): Float64Array {
  const width = slopes.length;
  return Float64Array.from({ length: count }, (_, i) => {
    let sum = base;
    for (let d = 0; d < width; d++) if (slopes[d] !== 0) sum += slopes[d]! * (x[i * width + d]! - centres[d]!);
    return sum;
  });
}

function columnMoments(x: Float32Array, count: number): { centres: Float64Array; deviations: Float64Array } {
  const width = x.length / count;
  const [centres, deviations] = [new Float64Array(width), new Float64Array(width)];
  for (let at = 0; at < x.length; at++) centres[at % width]! += x[at]! / count;
  for (let at = 0; at < x.length; at++) deviations[at % width]! += (x[at]! - centres[at % width]!) ** 2 / count;
  return { centres, deviations: deviations.map(Math.sqrt) };
}

/** Solves A z = b for a symmetric positive definite A, of which the lower half is given (and overwritten). */
function solveCholesky(a: Float64Array, b: Float64Array): Float64Array {
  const size = b.length;
  const z = b.slice();
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= a[i * size + k]! * a[j * size + k]!;
      a[i * size + j] = i === j ? Math.sqrt(sum) : sum / a[j * size + j]!;
    }
    for (let k = 0; k < i; k++) z[i]! -= a[i * size + k]! * z[k]!;
    z[i]! /= a[i * size + i]!;
  }
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) z[i]! -= a[k * size + i]! * z[k]!;
    z[i]! /= a[i * size + i]!;
  }
  return z;
}
