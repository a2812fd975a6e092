/**
 * Symbolic tensors. An operator is a function from tensors to a tensor: it checks shapes, names the ONNX nodes that
 * compute the value, and says how a gradient flows back. Nothing is computed here; `onnx.ts` writes the graph down.
 *
 * Letters for shapes: B batch, C channels, H, W, K classes, O output channels, G groups.
 */
import { type ElementType, elementsOf, holds, type TensorData, typeOf } from "./elements.ts";

export type { ElementType, TensorData } from "./elements.ts";
export type Shape = readonly number[];

/** Attributes of a node. Plain numbers are integers, as bigint where they may lie beyond 2^53; the other kinds are named. */
export type Attribute =
  | number
  | bigint
  | string
  | readonly (number | bigint)[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  /** constants */
  | { readonly tensor: Tensor }
  | { readonly tensors: readonly Tensor[] }
  | Body
  | { readonly graphs: readonly Body[] };
export type Attributes = Readonly<Record<string, Attribute>>;

/** A graph inside a node (see `If` and `Loop` of the ONNX standard). It may use whatever the graphs around it have computed. */
export interface Body {
  /** What it returns. */
  readonly graph: readonly Tensor[];
  /** What its node feeds it, made by `input`; none for `If`. */
  readonly inputs?: readonly Tensor[];
  /** What the graph around it computes, though the body alone may use it: what lies in a body is otherwise computed there. */
  readonly given?: readonly Tensor[];
}

/** Where a tensor comes from. */
export type Source =
  /** fed by the caller at every run; `random` inputs are filled with uniform numbers by the runtime */
  | { readonly kind: "input"; readonly name: string; readonly random: boolean }
  /** kept by the runtime from one run to the next, for example a weight */
  | { readonly kind: "variable"; readonly name: string; readonly initial: () => Float32Array }
  /** stored in the ONNX model */
  | { readonly kind: "constant"; readonly data: TensorData }
  | {
      readonly kind: "node";
      readonly operator: string;
      /** "" is the standard's. */
      readonly domain: string;
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

/**
 * @param data plain numbers are rounded to elements of the type
 * @param type default: float32 for numbers, else what the array says (`typeOf`)
 * @throws {RangeError} if the shape expects another count
 * @throws {TypeError} if the array cannot hold the type
 */
export function constant(data: TensorData | readonly number[], shape?: Shape, type?: ElementType): Tensor {
  const isPlain = (values: TensorData | readonly number[]): values is readonly number[] =>
    Array.isArray(values) && type !== "string" && typeof values[0] !== "string";
  const values: TensorData = isPlain(data) ? elementsOf(data, type ?? "float32") : data;
  const elements = type ?? typeOf(values);
  const sizes = shape ?? [values.length];
  if (values.length !== sizeOf(sizes))
    throw new RangeError(`constant: ${show(sizes)} expects ${sizeOf(sizes)} values, found ${values.length}`);
  if (!holds(values, elements))
    throw new TypeError(`constant: an array of ${elements} expected, found ${values.constructor.name}`);
  return { shape: sizes, type: elements, source: { kind: "constant", data: values }, index: 0 };
}

export function scalar(value: number, type: ElementType = "float32"): Tensor {
  return constant([value], [], type);
}

/** Whole numbers for the operators that take shapes, axes or indices as tensors. */
export function integers(values: readonly number[], shape: Shape = [values.length]): Tensor {
  return constant(values, shape, "int64");
}

/**
 * One ONNX node with one output. No gradient: see `differentiable`. An input that is left out is null.
 *
 * @param domain of the operator; "" is the standard's, "com.microsoft" that of ONNX Runtime
 */
export function node(
  operator: string,
  inputs: readonly (Tensor | null)[],
  attributes: Attributes,
  shape: Shape,
  type: ElementType = "float32",
  domain = "",
): Tensor {
  return nodes(operator, inputs, attributes, [{ shape, type }], domain)[0]!;
}

/** One ONNX node with several outputs. */
export function nodes(
  operator: string,
  inputs: readonly (Tensor | null)[],
  attributes: Attributes,
  results: readonly { shape: Shape; type: ElementType }[],
  domain = "",
): Tensor[] {
  const source: Source = { kind: "node", operator, domain, inputs, attributes, outputCount: results.length };
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

/** @throws {RangeError} if the elements of the two are not of one type */
export function checkSameType(where: string, a: Tensor, b: Tensor): void {
  if (a.type !== b.type)
    throw new RangeError(`${where}: elements of one type expected, found ${a.type} and ${b.type}; cast one of them`);
}

/** Axis -1 is the last one. */
export function normalizeAxis(where: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(positive) || positive < 0 || positive >= rank)
    throw new RangeError(`${where}: axis between ${-rank} and ${rank - 1} expected, found ${axis}`);
  return positive;
}
