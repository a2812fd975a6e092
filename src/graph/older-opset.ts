/**
 * Graphs for runtimes older than ours. What a graph computes stays the same; an operator that an older set does not have is written in
 * its parts.
 */

/** Version of the standard operator set that graphs are written for: everything up to it is in ONNX Runtime since 1.17. */
export const OPSET = 20;

/** The oldest that graphs can be written for. */
export const OLDEST_OPSET = 17;

/** By operator set: the version of the file format that goes with it, and the first ONNX Runtime that knows both. */
const RUNTIMES: Readonly<Record<number, { readonly ir: number; readonly runtime: string }>> = {
  17: { ir: 8, runtime: "1.14" },
  18: { ir: 8, runtime: "1.14" },
  19: { ir: 9, runtime: "1.15" },
  20: { ir: 9, runtime: "1.17" },
};

/** @throws {RangeError} unless the set is one of 17 to 20 */
export function runtimeOfOpset(opset: number): { readonly ir: number; readonly runtime: string } {
  const found = RUNTIMES[opset];
  if (!found) throw new RangeError(`graph: an operator set of ${OLDEST_OPSET} to ${OPSET} expected, found ${opset}`);
  return found;
}

/** Since which set an operator has the form, or is there at all, in which graphs may hold it; those not named: since 17 or before. */
const SINCE: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"].map((name) => [`Reduce${name}`, 18]),
  ),
  BitwiseAnd: 18,
  BitwiseNot: 18,
  BitwiseOr: 18,
  BitwiseXor: 18,
  CenterCropPad: 18,
  Col2Im: 18,
  GroupNormalization: 18,
  Mish: 18,
  Pad: 18,
  Resize: 18,
  ScatterElements: 18,
  ScatterND: 18,
  Split: 18,
  AveragePool: 19,
  DeformConv: 19,
  AffineGrid: 20,
  ConstantOfShape: 20,
  DFT: 20,
  GridSample: 20,
  ImageDecoder: 20,
  IsInf: 20,
  IsNaN: 20,
  RegexFullMatch: 20,
  StringConcat: 20,
  StringSplit: 20,
};

/** The oldest set that a graph of these operators can be written for. @param operators with their domain where it is not the standard's */
export function leastOpset(operators: readonly string[]): number {
  return Math.max(OLDEST_OPSET, ...operators.map((operator) => SINCE[operator] ?? OLDEST_OPSET));
}

/** A node of a graph, by the names of what it takes and gives. */
export interface PlainNode {
  readonly opType: string;
  readonly name: string;
  readonly input: string[];
  readonly output: string[];
}

/**
 * x Phi(x) = x (1 + erf(x / sqrt 2)) / 2 in five nodes, in the order that ONNX Runtime knows and makes one of again.
 *
 * @param constant the name of a scalar of this value
 */
export function geluInParts(name: string, x: string, y: string, constant: (value: number) => string): PlainNode[] {
  const part = (opType: string, step: number, input: string[]): PlainNode => ({
    opType,
    name: `${name}.${step}`,
    input,
    output: [step === 4 ? y : `${name}.${step}:0`],
  });
  const result = (step: number): string => `${name}.${step}:0`;
  return [
    part("Div", 0, [x, constant(Math.SQRT2)]),
    part("Erf", 1, [result(0)]),
    part("Add", 2, [result(1), constant(1)]),
    part("Mul", 3, [x, result(2)]),
    part("Mul", 4, [result(3), constant(0.5)]),
  ];
}
