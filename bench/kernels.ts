import { conv2d } from "../src/graph/conv.ts";
import { multiplyAccumulates } from "../src/graph/cost.ts";
import { pullBack } from "../src/graph/gradients.ts";
import { swapLast } from "../src/graph/linear.ts";
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

/** Median milliseconds of one kernel by itself. */
export async function timeKernel(runtime: Runtime, kernel: Kernel, repeats: number): Promise<number> {
  return timeOnce(await kernelTimer(runtime, kernel), repeats);
}

/** Something compiled and run once, to be timed as often as wanted. */
export interface Timer {
  /** Median milliseconds. */
  time(repeats: number): Promise<number>;
  close(): Promise<void>;
}

export function kernelTimer(runtime: Runtime, kernel: Kernel): Promise<Timer> {
  const inputs = kernel.inputs.map(({ shape, transposed }, i) => {
    const x = input(`x${i}`, shape);
    return transposed ? swapLast(x) : x;
  });
  return tensorTimer(runtime, node(kernel.operator, inputs, kernel.attributes, kernel.shape));
}

/** Median milliseconds of computing a tensor from random inputs. */
export async function timeTensor(runtime: Runtime, y: Tensor, repeats: number): Promise<number> {
  return timeOnce(await tensorTimer(runtime, y), repeats);
}

async function timeOnce(timer: Timer, repeats: number): Promise<number> {
  const ms = await timer.time(repeats);
  await timer.close();
  return ms;
}

/** Only one value of y is returned, so nothing large is copied out. */
async function tensorTimer(runtime: Runtime, y: Tensor): Promise<Timer> {
  const axes = y.shape.map((_, i) => i);
  const ones = axes.map(() => 1);
  const first = node("Slice", [y, integers(axes.map(() => 0)), integers(ones), integers(axes)], {}, ones);
  const random = seededRandom(1);
  const feeds: Record<string, Float32Array> = {};
  for (const { source, shape } of allTensors([y]))
    if (source.kind === "input")
      feeds[source.name] = Float32Array.from({ length: sizeOf(shape) }, () => uniform(random) - 0.5);
  const program = await Program.compile(runtime, { outputs: { first } }, { optimizeFor: "training" });
  await program.run(feeds);
  return {
    async time(repeats) {
      const times: number[] = [];
      for (let i = 0; i < repeats; i++) {
        const started = performance.now();
        await program.run(feeds);
        times.push(performance.now() - started);
      }
      return median(times);
    },
    close: () => program.close(),
  };
}

/** Milliseconds of a convolution as it is trained, and of its two gradients. */
export interface ConvolutionTimes {
  readonly name: string;
  readonly count: number;
  /** Of each of the three. */
  readonly macs: number;
  readonly forward: number;
  readonly toInput: number;
  readonly toWeight: number;
}

/** Every convolution of a network, equal ones counted, at the shapes that it has in training. */
export async function timeConvolutions(
  runtime: Runtime,
  network: GraphDefinition,
  batch: number,
  repeats: number,
): Promise<ConvolutionTimes[]> {
  const rows: ConvolutionTimes[] = [];
  for (const { operator, attributes, inputs, count, macs } of kernelsOf(network)) {
    if (operator !== "Conv") continue;
    const [, channels, height, width] = inputs[0]!.shape as [number, number, number, number];
    const weightShape = inputs[1]!.shape;
    const stride = (attributes.strides as [1 | 2])[0];
    const groups = attributes.group as number;
    const x = input("x", [height, width, channels, batch]);
    const weight = input("weight", weightShape);
    const y = conv2d(x, weight, { stride, groups });
    const dy = input("dy", y.shape);
    rows.push({
      name: `${weightShape[2]}x${weightShape[2]} ${channels} to ${weightShape[0]} at ${height}x${width}${stride === 2 ? ", stride 2" : ""}`,
      count,
      macs: macs * batch,
      forward: await timeTensor(runtime, y, repeats),
      toInput: await timeTensor(runtime, pullBack(y, dy, [x])[0]!, repeats),
      toWeight: await timeTensor(runtime, pullBack(y, dy, [weight])[0]!, repeats),
    });
  }
  return rows;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** 2 x MACs / time, in 10^9 floating-point operations per second. */
export function gflops(macs: number, ms: number): number {
  return (2 * macs) / ms / 1e6;
}
