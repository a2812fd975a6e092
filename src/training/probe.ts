/**
 * How much a tensor of a frozen network tells of the labels, quickly: ridge regression on its pooled features to one number per class.
 * Letters: N images, F features, K classes.
 */
import { CholeskyDecomposition, Matrix } from "ml-matrix";
import { transpose } from "../graph/layout.ts";
import { matMul } from "../graph/linear.ts";
import { input } from "../graph/tensor.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Penalty as a part of the features' mean square, times N. */
const PENALTY = 0.03;

/**
 * @param features [N, F] of the pictures that it learns from
 * @param judged [M, F] of others
 * @returns [M, K] scores of the others; the larger, the likelier
 */
export async function probe(
  runtime: Runtime,
  features: Float32Array,
  labels: ArrayLike<number>,
  classes: number,
  judged: Float32Array,
): Promise<Float32Array> {
  const count = labels.length;
  const width = features.length / count;
  const { x, rows } = standardised(features, judged, width);
  const y = new Float32Array(count * classes).fill(-1 / classes);
  for (let i = 0; i < count; i++) y[i * classes + labels[i]!]! += 1;
  const { square, product } = await normalEquations(runtime, x, y, count);
  const matrix = Matrix.from1DArray(width, width, square);
  for (let d = 0; d < width; d++) matrix.set(d, d, matrix.get(d, d) + PENALTY * count);
  const solution = new CholeskyDecomposition(matrix).solve(Matrix.from1DArray(width, classes, product)); // [F, K]
  const scores = Matrix.from1DArray(rows.length / width, width, rows).mmul(solution);
  return Float32Array.from(scores.to1DArray());
}

/** x^T x [F, F] and x^T y [F, K] */
async function normalEquations(runtime: Runtime, x: Float32Array, y: Float32Array, count: number) {
  const [rows, answers] = [input("x", [count, x.length / count]), input("y", [count, y.length / count])];
  const across = transpose(rows, [1, 0]);
  const program = await Program.compile(runtime, {
    outputs: { square: matMul(across, rows), product: matMul(across, answers) },
  });
  try {
    const { square, product } = await program.run({ x, y });
    return { square: square!, product: product! };
  } finally {
    await program.close();
  }
}

function standardised(features: Float32Array, judged: Float32Array, width: number) {
  const count = features.length / width;
  const [means, squares] = [new Float64Array(width), new Float64Array(width)];
  features.forEach((value, i) => {
    means[i % width]! += value / count;
    squares[i % width]! += (value * value) / count;
  });
  const deviations = squares.map((square, d) => Math.sqrt(Math.max(square - means[d]! ** 2, 1e-8)));
  const apply = (values: Float32Array): Float32Array =>
    values.map((value, i) => (value - means[i % width]!) / deviations[i % width]!);
  return { x: apply(features), rows: apply(judged) };
}
