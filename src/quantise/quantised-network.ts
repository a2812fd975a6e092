/** A network of which most is computed in 8 bits: a `StagedNetwork` around the float one that it was made from. */
import { encodeSafetensors } from "../files/safetensors.ts";
import { sha256 } from "../files/sha256.ts";
import { transpose } from "../graph/layout.ts";
import { constant, scalar, type Tensor } from "../graph/tensor.ts";
import { type BlueprintNetwork, blueprintNetwork } from "../network/blueprint-network.ts";
import { foldBatchNorm } from "../network/folding.ts";
import { type ImportedNetwork, importedNetwork } from "../network/imported-network.ts";
import type { BuiltStageTensors, Provenance, Stage, StagedNetwork, TensorSpec } from "../network/staged-network.ts";
import type { NamedArray, Weights } from "../network/weights.ts";
import { floatProducts, planStage, roundedPoints, type StagePlan } from "./plan.ts";
import { rewriteStage } from "./rewrite.ts";
import { type Steps, weightScales, weightSteps, weightsFrom } from "./steps.ts";
import { largestStep, storedWeights } from "./stored.ts";

/** How a network is rounded; with the float network it is all that an 8-bit network is. Plain JSON. */
export interface Rounding {
  /** 8, or 7 where processors without VNNI instructions are to give the same answers: there sums of 8 by 8 bits may saturate. */
  readonly weightBits: 7 | 8;
  /** By stage: its convolutions, counted from 0, that stay in float. */
  readonly kept: readonly (readonly number[])[];
  /** By stage: its points, in the order of `planStage`, with what computes each. */
  readonly points: readonly (readonly (Steps & { readonly of: string })[])[];
}

export interface QuantisedNetwork extends StagedNetwork {
  readonly rounding: Rounding;
  /** Operators that multiply and stay in float whatever is chosen, by name, in the order of the network. */
  readonly floatProducts: readonly string[];
}

/** Convolutions in 8 bits have their channels last: what keeps float maps in blocks of channels would only be in their way. */
export function withoutBlocks(network: ImportedNetwork): ImportedNetwork {
  return importedNetwork({ ...network, inBlocks: false });
}

/** Channels last, as the kernels for 8 bits have them: a map that is handed on needs not be turned round twice. */
const TO_CHANNELS_LAST = [0, 2, 3, 1];
const TO_CHANNELS_FIRST = [0, 3, 1, 2];

/**
 * @param base the float network. One of ours has its weights rounded already: see `roundedNetwork`; its files then hold steps. Those of
 *   somebody else's are kept as they came, and rounded whenever a graph is built.
 * @param provenance default: that of the base
 * @throws {RangeError} if the rounding is not for this network
 */
export function quantisedNetwork(
  base: BlueprintNetwork | ImportedNetwork,
  rounding: Rounding,
  provenance: Provenance = base.provenance,
): QuantisedNetwork {
  const plans = base.stages.map((_, k) => planStage(base, k, 1));
  checkRounding(plans, rounding);
  const { description, files } = isImported(base)
    ? { description: { ...base.description, kind: "importedInt8" as const, rounding }, files: () => base.files() }
    : ownParts(base, plans, rounding);
  let digest: string | undefined;
  return {
    name: base.name,
    get sha256() {
      const described = JSON.stringify({ classes: base.classes, ...description });
      digest ??= sha256(new TextEncoder().encode(described), ...files().values());
      return digest;
    },
    precision: "int8",
    classes: base.classes,
    inputs: base.inputs,
    stages: base.stages.map((stage, k) => quantisedStage(stage, plans[k]!, new Set(rounding.kept[k]))),
    fullMacs: base.fullMacs,
    layouts: ["batchFirst"],
    provenance,
    build: (stage, from) => buildStage(base, rounding, stage, from),
    trainable: null,
    ...(base.original ? { original: base.original } : {}),
    description,
    rounding,
    floatProducts: plans.flatMap(floatProducts),
    files,
  };
}

function isImported(base: BlueprintNetwork | ImportedNetwork): base is ImportedNetwork {
  return base.description.kind === "imported";
}

/** What `model.json` says of one of ours, and its weights as steps. */
function ownParts(base: BlueprintNetwork, plans: readonly StagePlan[], rounding: Rounding) {
  const { blueprint, normalisation, weights } = base;
  let bytes: Uint8Array | undefined;
  const weightFile = (): Uint8Array => {
    bytes ??= encodeSafetensors(storedWeights(weights, integerWeights(weights, plans, rounding), rounding.weightBits), {
      halve: true,
    });
    return bytes;
  };
  return {
    description: { kind: "int8" as const, blueprint, normalisation, rounding },
    files: () => new Map([["network.safetensors", weightFile()]]),
  };
}

function checkRounding(plans: readonly StagePlan[], { points, kept }: Rounding): void {
  const expected = plans.map((plan) => plan.points.map(({ operator }) => operator));
  const found = points.map((list) => list.map(({ of }) => of));
  if (JSON.stringify(expected) !== JSON.stringify(found) || kept.length !== plans.length)
    throw new RangeError(
      `quantise: scales of ${expected.map((list) => list.length)} maps by stage expected (${expected.flat().join(", ")}), ` +
        `found ${found.map((list) => list.length)} (${found.flat().join(", ")}); they are of another network`,
    );
}

/** Maps are handed on as 8 bits, channels last. Three of four bytes of a weight are gone. */
function quantisedStage(stage: Stage, plan: StagePlan, kept: ReadonlySet<number>): Stage {
  const rounded = roundedPoints(plan, kept);
  const isRounded = (one: Tensor): boolean =>
    plan.points.some(({ tensor }, i) => rounded[i] && tensor.source === one.source);
  const saved = plan.convolutions.reduce((sum, { weights }, i) => sum + (kept.has(i) ? 0 : 3 * weights.length), 0);
  const handsOn = stage.handsOn.map((spec, i): TensorSpec => {
    if (!isRounded(plan.built.handsOn[i]!)) return spec;
    return { type: "uint8", shape: TO_CHANNELS_LAST.map((axis) => spec.shape[axis]!) };
  });
  return { ...stage, handsOn, bytes: stage.bytes - saved };
}

function buildStage(
  base: StagedNetwork,
  rounding: Rounding,
  stage: number,
  from: readonly Tensor[],
): BuiltStageTensors {
  const plan = planStage(base, stage, from[0]!.shape[0]!);
  const { handsOn, logits } = rewriteStage(plan, {
    from: from.map((one) => (one.type === "uint8" ? transpose(one, TO_CHANNELS_FIRST) : one)),
    kept: new Set(rounding.kept[stage]),
    steps: (point) => {
      const { scale, zero } = rounding.points[stage]![point]!;
      return { scale: scalar(scale), zero: constant([zero], [], "uint8") };
    },
    largestWeight: largestStep(rounding.weightBits),
    weights: "integers",
  });
  return { handsOn: handsOn.map((one) => (one.type === "uint8" ? transpose(one, TO_CHANNELS_LAST) : one)), logits };
}

/** The float network with its batch norm folded. */
export function foldedNetwork(network: BlueprintNetwork): BlueprintNetwork {
  const { blueprint, weights, classes, normalisation, provenance } = network;
  return blueprintNetwork({ ...foldBatchNorm(blueprint, weights), classes, normalisation, provenance });
}

/** The same with the weights of every convolution that is not kept rounded to whole steps, which later finds exactly these again. */
export function roundedNetwork(
  folded: BlueprintNetwork,
  rounding: Pick<Rounding, "weightBits" | "kept">,
): BlueprintNetwork {
  const plans = folded.stages.map((_, k) => planStage(folded, k, 1));
  const integer = integerWeights(folded.weights, plans, rounding);
  const weights = new Map<string, NamedArray>();
  for (const [name, array] of folded.weights) {
    const scales = integer.has(name)
      ? weightScales(array.data, array.shape[0]!, largestStep(rounding.weightBits))
      : null;
    weights.set(name, scales ? { ...array, data: weightsFrom(weightSteps(array.data, scales), scales) } : array);
  }
  const { blueprint, classes, normalisation, provenance } = folded;
  return blueprintNetwork({ blueprint, weights, classes, normalisation, provenance });
}

/** Names of the weights that are multiplied as integers. */
function integerWeights(
  weights: Weights,
  plans: readonly StagePlan[],
  { kept }: Pick<Rounding, "kept">,
): ReadonlySet<string> {
  const data = new Set(
    plans.flatMap(({ convolutions }, k) =>
      convolutions.flatMap((one, i) => (kept[k]!.includes(i) ? [] : [one.weights])),
    ),
  );
  return new Set([...weights].filter(([, array]) => data.has(array.data)).map(([name]) => name));
}
