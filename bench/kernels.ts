import { multiplyAccumulates } from "../src/graph/cost.ts";
import type { GraphDefinition } from "../src/graph/onnx.ts";
import {
  type Attributes,
  input,
  integers,
  node,
  type Shape,
  type Source,
  sizeOf,
  type Tensor,
} from "../src/graph/tensor.ts";
import { seededRandom, uniform } from "../src/random.ts";
import { Program } from "../src/runtime/program.ts";
import type { Runtime } from "../src/runtime/runtime.ts";

/** A convolution or matrix product, with the shapes that occur in a network. */
export interface Kernel {
  readonly operator: string;
  readonly attributes: Attributes;
  /** Shapes before a transposition of the last two axes, which the runtime does inside the product. */
  readonly inputs: readonly { readonly shape: Shape; readonly transposed: boolean }[];
  readonly shape: Shape;
  /** How often it occurs. */
  readonly count: number;
  /** Multiply-accumulates of one occurrence. */
  readonly macs: number;
}

const OPERATORS = new Set(["Conv", "MatMul", "Gemm"]);

/** Every convolution and matrix product of a graph, equal ones counted. */
export function kernelsOf({ outputs, updates = [] }: GraphDefinition): Kernel[] {
  const kernels = new Map<string, Kernel>();
  for (const tensor of allTensors([...Object.values(outputs), ...updates.map(({ next }) => next)])) {
    const { source } = tensor;
    if (source.kind !== "node" || !OPERATORS.has(source.operator)) continue;
    const inputs = source.inputs.filter((one) => one !== null).map(withoutTransposition);
    const key = JSON.stringify([source.operator, source.attributes, inputs]);
    const known = kernels.get(key);
    kernels.set(key, {
      operator: source.operator,
      attributes: source.attributes,
      inputs,
      shape: tensor.shape,
      count: (known?.count ?? 0) + 1,
      macs: kernelMacs(tensor, source),
    });
  }
  return [...kernels.values()];
}

function kernelMacs(tensor: Tensor, source: Extract<Source, { kind: "node" }>): number {
  const alone = { ...source, inputs: source.inputs.map((one) => one && input("x", one.shape)) };
  return multiplyAccumulates([{ ...tensor, source: alone }]);
}

function withoutTransposition({ source, shape }: Tensor): Kernel["inputs"][number] {
  const order = source.kind === "node" && source.operator === "Transpose" ? (source.attributes.perm as number[]) : null;
  const last = shape.length - 1;
  const swapsLast = order?.every((axis, i) => axis === (i === last ? last - 1 : i === last - 1 ? last : i));
  return swapsLast ? { shape: order!.map((axis) => shape[axis]!), transposed: true } : { shape, transposed: false };
}

function allTensors(results: readonly Tensor[]): Tensor[] {
  const found = new Map<Source, Tensor>();
  const visit = (tensor: Tensor): void => {
    if (found.has(tensor.source)) return;
    found.set(tensor.source, tensor);
    if (tensor.source.kind === "node") for (const one of tensor.source.inputs) if (one) visit(one);
  };
  results.forEach(visit);
  return [...found.values()];
}

/** Median milliseconds of one kernel by itself. Only one value of its result is returned, so nothing large is copied out. */
export async function timeKernel(runtime: Runtime, kernel: Kernel, repeats: number): Promise<number> {
  const random = seededRandom(1);
  const feeds: Record<string, Float32Array> = {};
  const inputs = kernel.inputs.map(({ shape, transposed }, i) => {
    feeds[`x${i}`] = Float32Array.from({ length: sizeOf(shape) }, () => uniform(random) - 0.5);
    const x = input(`x${i}`, shape);
    const order = shape.map((_, axis) => axis);
    order.push(...order.splice(-2).reverse());
    return transposed
      ? node(
          "Transpose",
          [x],
          { perm: order },
          order.map((axis) => shape[axis]!),
        )
      : x;
  });
  const y = node(kernel.operator, inputs, kernel.attributes, kernel.shape);
  const ones = kernel.shape.map(() => 1);
  const axes = kernel.shape.map((_, i) => i);
  const first = node("Slice", [y, integers(axes.map(() => 0)), integers(ones), integers(axes)], {}, ones);
  const program = await Program.compile(runtime, { outputs: { first } }, { optimizeFor: "training" });
  const times: number[] = [];
  for (let i = 0; i <= repeats; i++) {
    const started = performance.now();
    await program.run(feeds);
    if (i > 0) times.push(performance.now() - started);
  }
  await program.close();
  return median(times);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** 2 x MACs / time, in 10^9 floating-point operations per second. */
export function gflops(macs: number, ms: number): number {
  return (2 * macs) / ms / 1e6;
}
