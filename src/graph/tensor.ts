/**
 * Symbolic tensors. An operator is a function from tensors to a tensor: it checks shapes, names the ONNX nodes that
 * compute the value, and says how a gradient flows back. Nothing is computed here; `onnx.ts` writes the graph down.
 *
 * Letters for shapes: B batch, C channels, H, W, K classes, O output channels, G groups.
 */
export type Shape = readonly number[];
export type ElementType = "float32" | "int32" | "int64" | "bool";
/** A plain number is an integer attribute; `graph` is a body (see `If` of the ONNX standard), given by what it returns. */
export type Attributes = Readonly<
  Record<
    string,
    number | { readonly float: number } | string | readonly number[] | { readonly graph: readonly Tensor[] }
  >
>;

/** Where a tensor comes from. */
export type Source =
  /** fed by the caller at every run; `random` inputs are filled with uniform numbers by the runtime */
  | { readonly kind: "input"; readonly name: string; readonly random: boolean }
  /** kept by the runtime from one run to the next, for example a weight */
  | { readonly kind: "variable"; readonly name: string; readonly initial: () => Float32Array }
  /** stored in the ONNX model */
  | { readonly kind: "constant"; readonly data: Float32Array | Int32Array | BigInt64Array }
  | {
      readonly kind: "node";
      readonly operator: string;
      readonly inputs: readonly (Tensor | null)[];
      readonly attributes: Attributes;
      readonly outputCount: number;
    };

export interface Tensor {
  readonly shape: Shape;
  readonly type: ElementType;
  readonly source: Source;
  /** Which output of its node this is; 0 for everything else. */
  readonly index: number;
  /** How d(loss)/d(this) becomes d(loss)/d(each of `inputs`). Absent where nothing flows back. */
  readonly derivation?: Derivation;
}

export interface Derivation {
  readonly inputs: readonly Tensor[];
  /** @returns one gradient per input, of that input's shape; null where none flows */
  readonly backward: (dy: Tensor) => readonly (Tensor | null)[];
}

export type Variable = Tensor & { readonly source: Extract<Source, { kind: "variable" }> };

export function input(name: string, shape: Shape, type: ElementType = "float32"): Tensor {
  return { shape, type, source: { kind: "input", name, random: false }, index: 0 };
}

/** Uniform numbers in [0, 1), fresh at every run, drawn by the runtime from the seed, the step and the input's place in the graph. */
export function randomInput(name: string, shape: Shape): Tensor {
  return { shape, type: "float32", source: { kind: "input", name, random: true }, index: 0 };
}

/**
 * @param initial first values, or a function that makes them: it is called when a program is compiled, so that a graph
 * that is only looked at (to count its cost, say) costs nothing
 */
export function variable(name: string, shape: Shape, initial: Float32Array | (() => Float32Array)): Variable {
  const make = (): Float32Array => {
    const values = typeof initial === "function" ? initial() : initial;
    if (values.length !== sizeOf(shape))
      throw new RangeError(
        `variable ${name}: ${show(shape)} expects ${sizeOf(shape)} initial values, found ${values.length}`,
      );
    return values;
  };
  return { shape, type: "float32", source: { kind: "variable", name, initial: make }, index: 0 };
}

export function constant(data: Float32Array | readonly number[], shape: Shape = [data.length]): Tensor {
  const values = data instanceof Float32Array ? data : Float32Array.from(data);
  if (values.length !== sizeOf(shape))
    throw new RangeError(`constant: ${show(shape)} expects ${sizeOf(shape)} values, found ${values.length}`);
  return { shape, type: "float32", source: { kind: "constant", data: values }, index: 0 };
}

export function scalar(value: number): Tensor {
  return constant([value], []);
}

/** Whole numbers for the operators that take shapes, axes or indices as tensors. */
export function integers(values: readonly number[], shape: Shape = [values.length]): Tensor {
  return { shape, type: "int64", source: { kind: "constant", data: BigInt64Array.from(values, BigInt) }, index: 0 };
}

/** One ONNX node with one output. No gradient: see `differentiable`. An input that is left out is null. */
export function node(
  operator: string,
  inputs: readonly (Tensor | null)[],
  attributes: Attributes,
  shape: Shape,
  type: ElementType = "float32",
): Tensor {
  return nodes(operator, inputs, attributes, [{ shape, type }])[0]!;
}

/** One ONNX node with several outputs. */
export function nodes(
  operator: string,
  inputs: readonly (Tensor | null)[],
  attributes: Attributes,
  results: readonly { shape: Shape; type: ElementType }[],
): Tensor[] {
  const source: Source = { kind: "node", operator, inputs, attributes, outputCount: results.length };
  return results.map(({ shape, type }, index) => ({ shape, type, source, index }));
}

/** The same value as `y`, with this way back to `inputs` (in place of the one that `y` may have). */
export function differentiable(y: Tensor, inputs: readonly Tensor[], backward: Derivation["backward"]): Tensor {
  return { ...y, derivation: { inputs, backward } };
}

/** The same value, with no way back: gradients stop here. */
export function stopGradient({ derivation: _, ...x }: Tensor): Tensor {
  return x;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function show(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/**
 * The shape of an element-wise operation, by the rules of numpy: aligned at the end, a size of 1 stretches.
 *
 * @throws {RangeError} if the shapes do not fit
 */
export function broadcastShape(where: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1)
      throw new RangeError(`${where}: shapes that broadcast expected, found ${show(a)} and ${show(b)}`);
    return Math.max(left, right);
  });
}

/** Axis -1 is the last one. */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(positive) || positive < 0 || positive >= rank)
    throw new RangeError(`${where}: axis between ${-rank} and ${rank - 1} expected, found ${axis}`);
  return positive;
}
