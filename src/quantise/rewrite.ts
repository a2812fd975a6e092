/**
 * A stage's float graph as one that ONNX Runtime computes in integers: every map that is rounded goes through QuantizeLinear and
 * DequantizeLinear, weights and biases are stored as integers. The runtime then takes rounding, convolution and rounding for one integer
 * convolution. Activations are unsigned, weights signed with one scale per output channel: the form with fast kernels.
 */
import { constant, integers, node, nodes, type Source, type Tensor } from "../graph/tensor.ts";
import type { BuiltStageTensors } from "../network/staged-network.ts";
import { type Node, roundedPoints, type StagePlan } from "./plan.ts";
import { weightScales, weightSteps, weightsFrom } from "./steps.ts";

/** Scale (float32) and zero (uint8) of a point as tensors: constants, or what a caller feeds. */
export interface StepTensors {
  readonly scale: Tensor;
  readonly zero: Tensor;
}

export interface Rewriting {
  /** What the stage takes: maps that the stage before rounded as uint8, everything else as the float graph takes it. */
  readonly from: readonly Tensor[];
  /** Convolutions of this stage that stay in float. */
  readonly kept: ReadonlySet<number>;
  /** Of a point of this stage. */
  readonly steps: (point: number) => StepTensors;
  /** Steps of the largest weight: 127, or 63 for 7 bits. */
  readonly largestWeight: number;
  /** "rounded": float weights of the same values, for graphs that only imitate the integers. */
  readonly weights: "integers" | "rounded";
}

/** @returns maps for the next stage as uint8 where they are rounded, and float logits */
export function rewriteStage(plan: StagePlan, rewriting: Rewriting): BuiltStageTensors {
  const { kept, steps } = rewriting;
  const rounded = roundedPoints(plan, kept);
  const pointOf = new Map(plan.points.flatMap(({ tensor }, i) => (rounded[i] ? [[tensor.source, i] as const] : [])));
  const integer = new Set<Source>(plan.convolutions.flatMap(({ source }, i) => (kept.has(i) ? [] : [source])));
  const [computed, inSteps] = [new Map<Source, readonly Tensor[]>(), new Map<Source, Tensor>()];
  plan.from.forEach(({ source }, i) => {
    const given = rewriting.from[i]!;
    if (given.type === "uint8") inSteps.set(source, given);
    else computed.set(source, [given]);
  });

  /** As the float graph has it, from inputs that may be rounded. */
  function compute(source: Node): readonly Tensor[] {
    const inputs = source.inputs.map((one) => one && float(one));
    const { operator, attributes, domain } = source;
    const shapes = plan.results.get(source)!;
    const pooled = globalPool(source);
    if (pooled) {
      const [{ shape }] = shapes as [Pick<Tensor, "shape">];
      const reduced = [float(pooled.of), integers([2, 3])];
      return [node(pooled.reduction, reduced, { keepdims: 0 }, shape)];
    }
    if (!integer.has(source)) return nodes(operator, inputs, attributes, shapes, domain);
    const { scale } = steps(pointOf.get(source.inputs[0]!.source)!);
    const [, weight, bias = null] = source.inputs;
    const given = convolutionConstants(weight!, bias, scale, rewriting);
    return nodes(operator, [inputs[0]!, ...given], attributes, shapes, domain);
  }

  function results(source: Node): readonly Tensor[] {
    const known = computed.get(source) ?? compute(source);
    computed.set(source, known);
    return known;
  }

  function round(tensor: Tensor, point: number): Tensor {
    const { source } = tensor;
    const known = inSteps.get(source);
    if (known) return known;
    const { scale, zero } = steps(point);
    const value = source.kind === "node" ? results(source)[0]! : computed.get(source)![0]!;
    const made = node("QuantizeLinear", [value, scale, zero], {}, tensor.shape, "uint8");
    inSteps.set(source, made);
    return made;
  }

  function float(tensor: Tensor): Tensor {
    const { source, index } = tensor;
    const point = pointOf.get(source);
    if (point !== undefined) {
      const { scale, zero } = steps(point);
      return node("DequantizeLinear", [round(tensor, point), scale, zero], {}, tensor.shape);
    }
    return source.kind === "node" ? results(source)[index]! : (computed.get(source)?.[0] ?? tensor);
  }

  const handsOn = plan.built.handsOn.map((one) => {
    const point = pointOf.get(one.source);
    return point === undefined ? float(one) : round(one, point);
  });
  return { handsOn, logits: float(plan.built.logits) };
}

/**
 * A global pool and the reshape to [B, C] behind it, which together are one reduction: unlike a pool, that may lie with its channels
 * last, as the kernels for 8 bits have them, so that nothing is turned round.
 */
function globalPool({ operator, inputs }: Node): { reduction: "ReduceMax" | "ReduceMean"; of: Tensor } | null {
  const [pool] = inputs;
  if (operator !== "Reshape" || pool?.source.kind !== "node" || pool.shape.slice(2).some((size) => size !== 1))
    return null;
  const reduction = { GlobalMaxPool: "ReduceMax", GlobalAveragePool: "ReduceMean" } as const;
  const found = reduction[pool.source.operator as keyof typeof reduction];
  return found ? { reduction: found, of: pool.source.inputs[0]! } : null;
}

function convolutionConstants(
  weight: Tensor,
  bias: Tensor | null,
  inputScale: Tensor,
  { weights, largestWeight }: Rewriting,
): Tensor[] {
  const values = floatsOf(weight);
  const outputs = weight.shape[0]!;
  const scales = weightScales(values, outputs, largestWeight);
  const inSteps = weightSteps(values, scales);
  if (weights === "rounded") return [constant(weightsFrom(inSteps, scales), weight.shape), ...(bias ? [bias] : [])];
  const zeros = constant(new Int8Array(outputs));
  const made = node(
    "DequantizeLinear",
    [constant(inSteps, weight.shape), constant(scales), zeros],
    { axis: 0 },
    weight.shape,
  );
  return bias ? [made, biasInSteps(bias, scales, floatsOf(inputScale)[0]!)] : [made];
}

/** A bias in units of input scale times weight scale, 32 bits: what the sums of an integer convolution are in. */
function biasInSteps(bias: Tensor, scales: Float32Array, inputScale: number): Tensor {
  const units = scales.map((scale) => Math.fround(scale * inputScale));
  const whole = Int32Array.from(floatsOf(bias), (value, o) => Math.round(value / units[o]!));
  const zeros = constant(new Int32Array(units.length));
  return node("DequantizeLinear", [constant(whole), constant(units), zeros], { axis: 0 }, bias.shape);
}

function floatsOf({ source }: Tensor): Float32Array {
  if (source.kind === "constant" && source.data instanceof Float32Array) return source.data;
  throw new TypeError("quantise: constant floats expected, found a tensor that is computed");
}
