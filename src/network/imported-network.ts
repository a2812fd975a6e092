/** The second maker of a `StagedNetwork`: somebody else's network, cut at some of its tensors, with heads of ours at the cuts. */
import { UserError } from "../errors.ts";
import { encodeSafetensors, type StoredArray } from "../files/safetensors.ts";
import { sha256 } from "../files/sha256.ts";
import { reshape } from "../graph/broadcast.ts";
import { multiplyAccumulates } from "../graph/cost.ts";
import type { ElementType } from "../graph/elements.ts";
import { cast } from "../graph/elementwise.ts";
import { transpose } from "../graph/layout.ts";
import { input, integers, node, sizeOf, type Tensor } from "../graph/tensor.ts";
import { classesOf } from "../onnx/answer.ts";
import { findCuts, lastFeatures } from "../onnx/cuts.ts";
import type { ExternalFiles } from "../onnx/external-data.ts";
import { encodePlan } from "../onnx/plan.ts";
import type { Prepared, PreparedTensor } from "../onnx/prepare.ts";
import { buildHead, type HeadShape } from "./head.ts";
import { buildPart, type Part, partBetween, partCost } from "./imported-graph.ts";
import type { BuiltStageTensors, Picture, Provenance, Stage, StagedNetwork, TensorSpec } from "./staged-network.ts";
import type { Weights } from "./weights.ts";

/** How a picture becomes the file's input; the pictures themselves are [B, C, H, W] in red, green, blue. */
export interface Feeding {
  readonly layout: "channelsFirst" | "channelsLast";
  readonly channels: "rgb" | "bgr" | "grey";
}

/** Somebody's network with what is known of its pictures, not attached to yet. */
export interface OpenedNetwork {
  readonly name: string;
  /** The file as it came, and the files beside it. */
  readonly file: Uint8Array;
  readonly external: ExternalFiles;
  readonly prepared: Prepared;
  readonly feeding: Feeding;
  /** Of the pictures that it is given, red first, whatever the order inside. */
  readonly picture: Picture;
  /** [K'] what it tells apart; null where nobody says. */
  readonly labels: readonly string[] | null;
}

export interface ImportedNetworkParts extends OpenedNetwork {
  /** [E - 1] names of the tensors that it is cut at, in the order of the flow. */
  readonly cuts: readonly string[];
  /** [E] the last one may be null: the network's own answer. */
  readonly heads: readonly (HeadShape | null)[];
  /** Of the heads, `heads.K.` before their names, K from 0. */
  readonly weights: Weights;
  /** [K] */
  readonly classes: readonly string[];
  /** [K] which of the network's own classes each of `classes` is; null where they are others. */
  readonly answerClasses: readonly number[] | null;
  /** Its weights are others than those that it came with: see `imported-trainable.ts`. */
  readonly isTuned?: boolean | undefined;
  /** Its maps stay in ONNX Runtime's blocked layout, see `blockedLayout`; default: true. */
  readonly inBlocks?: boolean | undefined;
  readonly provenance: Provenance;
}

export interface ImportedNetwork extends StagedNetwork, ImportedNetworkParts {}

/** @throws {UserError} if there is no such cut, or something cannot be carried */
export function importedNetwork(parts: ImportedNetworkParts): ImportedNetwork {
  const { prepared, picture, heads, answerClasses } = parts;
  const ends = stageEnds(parts);
  const stages = ends.map((end, k) => describeStage(parts, ends, end, k));
  const last = stages.length - 1;
  const backbone = stages.reduce((sum, { macs }) => sum + macs, 0);
  let digest: string | undefined;
  let headFile: Uint8Array | undefined;
  const savedHeads = (): Uint8Array => {
    headFile ??= encodeHeads(parts);
    return headFile;
  };
  const description = {
    kind: "imported" as const,
    name: parts.name,
    feeding: parts.feeding,
    picture,
    cuts: parts.cuts,
    heads,
    labels: parts.labels,
    answerClasses,
    external: [...parts.external.keys()],
    ...(parts.isTuned ? { isTuned: true } : {}),
  };
  return {
    ...parts,
    get sha256() {
      const known = new TextEncoder().encode(JSON.stringify({ classes: parts.classes, ...description }));
      digest ??= sha256(known, parts.file, savedHeads());
      return digest;
    },
    precision: "float32",
    inputs: [{ name: "image", type: "float32", shape: picture.shape, picture }],
    stages,
    fullMacs: backbone + stages[last]!.headMacs,
    layouts: ["batchFirst"],
    build: (stage, from) => buildStage(parts, ends, stage, from),
    trainable: null,
    original: { macs: partCost(prepared, partBetween(prepared, new Set([prepared.main]), [prepared.answer])).macs },
    description,
    files: () => new Map([["network.onnx", parts.file], ...parts.external, ["heads.safetensors", savedHeads()]]),
  };
}

/** What a stage begins with, ends with, and what is in between. */
export interface StageEnd {
  readonly from: readonly string[];
  /** What its head reads, or the answer itself. */
  readonly reads: string;
  /** Handed on; empty at the last. */
  readonly to: readonly string[];
  readonly part: Part;
}

export function stageEnds({
  prepared,
  cuts,
  heads,
}: Pick<ImportedNetworkParts, "prepared" | "cuts" | "heads">): StageEnd[] {
  const known = new Map(findCuts(prepared).map((cut) => [cut.name, [cut.name, ...cut.beside]]));
  const own = heads.at(-1) === null ? prepared.answer : lastFeatures(prepared);
  if (own === null)
    throw new UserError("network: features before its answer expected, found none; take the network's own answer");
  let from: readonly string[] = [prepared.main];
  return [...cuts, null].map((cut): StageEnd => {
    const to = cut === null ? [] : known.get(cut);
    if (!to) throw new UserError(`network: a cut expected, found ${cut}; 'earlyexit network info' lists them`);
    const reads = cut ?? own;
    const end = { from, reads, to, part: partBetween(prepared, new Set(from), [reads, ...to]) };
    from = to;
    return end;
  });
}

function describeStage(
  { prepared, heads, weights, cuts, classes }: ImportedNetworkParts,
  ends: readonly StageEnd[],
  { part, reads, to }: StageEnd,
  k: number,
): Stage {
  const cost = partCost(prepared, part);
  const head = heads[k] ?? null;
  const own = [...weights].filter(([name]) => name.startsWith(`heads.${k}.`));
  const headNumbers = own.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0);
  const example = head && buildHead(input("x", prepared.tensors.get(reads)!.shape), head, weights, `heads.${k}.`);
  if (example && example.shape[1] !== classes.length)
    throw new RangeError(
      `network: a head for ${classes.length} classes expected at exit ${k + 1}, found ${example.shape[1]}`,
    );
  return {
    handsOn: k < ends.length - 1 ? to.map((name) => specOf(prepared.tensors.get(name)!)) : [],
    macs: cost.macs,
    headMacs: example ? multiplyAccumulates([example]) : 0,
    parameters: cost.parameters + headNumbers,
    bytes: cost.bytes + 4 * headNumbers,
    ...(k < cuts.length ? { cut: to } : {}),
  };
}

function specOf({ shape, type }: PreparedTensor): TensorSpec {
  return { shape, type: type as ElementType };
}

function buildStage(
  parts: ImportedNetworkParts,
  ends: readonly StageEnd[],
  stage: number,
  from: readonly Tensor[],
): BuiltStageTensors {
  const { prepared, heads, weights, answerClasses, isTuned, inBlocks = true } = parts;
  const { reads, to, from: names } = ends[stage]!;
  const isLast = stage === ends.length - 1;
  // only what is asked for of it is written into a graph
  const part = partBetween(
    prepared,
    new Set(names),
    isLast && answerClasses ? [reads, prepared.answer] : [reads, ...to],
  );
  const given = stage === 0 ? [fedInput(parts, from[0]!)] : from;
  const tensor = buildPart(prepared, part, new Map(names.map((name, i) => [name, given[i]!])), inBlocks);
  const head = heads[stage];
  const own = isLast && answerClasses ? answerLogits(tensor(prepared.answer), answerClasses) : null;
  const logits = head ? buildHead(tensor(reads), head, weights, `heads.${stage}.`) : own!;
  return { handsOn: isLast ? [] : to.map(tensor), logits, ...(own && !isTuned ? { original: own } : {}) };
}

/** Pictures [B, C, H, W] as the file takes them. */
export function fedInput({ prepared, feeding }: Pick<OpenedNetwork, "prepared" | "feeding">, images: Tensor): Tensor {
  const { type } = prepared.tensors.get(prepared.main)!;
  const reversed =
    feeding.channels === "bgr" ? node("Gather", [images, integers([2, 1, 0])], { axis: 1 }, images.shape) : images;
  const laidOut = feeding.layout === "channelsLast" ? transpose(reversed, [0, 2, 3, 1]) : reversed;
  return type === "float32" ? laidOut : cast(laidOut, type as ElementType);
}

/** The network's own answer, all of it. @param images [B, C, H, W] @returns [B, K'] */
export function ownAnswer(network: OpenedNetwork, images: Tensor): Tensor {
  const { prepared } = network;
  const part = partBetween(prepared, new Set([prepared.main]), [prepared.answer]);
  const tensor = buildPart(prepared, part, new Map([[prepared.main, fedInput(network, images)]]), true);
  return answerLogits(tensor(prepared.answer), null);
}

/** [B, K] of an answer that may have axes of size 1 */
function answerLogits(answer: Tensor, classes: readonly number[] | null): Tensor {
  const width = classesOf(answer.shape) ?? sizeOf(answer.shape.slice(1));
  const flat = reshape(answer, [answer.shape[0]!, width]);
  const logits = flat.type === "float32" ? flat : cast(flat, "float32");
  return classes ? chosenClasses(logits, classes) : logits;
}

function chosenClasses(logits: Tensor, classes: readonly number[]): Tensor {
  const isAll = classes.length === logits.shape[1] && classes.every((one, k) => one === k);
  if (isAll) return logits;
  return node("Gather", [logits, integers(classes)], { axis: 1 }, [logits.shape[0]!, classes.length]);
}

// ---- Files -------------------------------------------------------------------------------------------------------------

const PLAN = "plan";

/** Heads, and how the network is cut, so that loading it runs nothing. */
function encodeHeads({ weights, prepared, file, external }: ImportedNetworkParts): Uint8Array {
  const plan = encodePlan(prepared, file, external);
  const words = new Int32Array(Math.ceil(plan.length / 4) + 1);
  words[0] = plan.length;
  new Uint8Array(words.buffer).set(plan, 4);
  return encodeSafetensors(new Map<string, StoredArray>([...weights, [PLAN, { shape: [words.length], data: words }]]));
}

/** Heads and plan as `heads.safetensors` has them. @throws {UserError} if there is no plan */
export function splitHeads(
  arrays: ReadonlyMap<string, StoredArray>,
  where: string,
): { weights: Weights; plan: Uint8Array } {
  const words = arrays.get(PLAN)?.data;
  if (!(words instanceof Int32Array) || words.length < 2 || words[0]! > 4 * (words.length - 1) || words[0]! < 0)
    throw new UserError(`${where}: how the network is cut expected, found nothing; attach it again`);
  const plan = new Uint8Array(words.buffer, words.byteOffset + 4, words[0]!);
  const weights = [...arrays].filter(([name]) => name !== PLAN);
  return {
    plan,
    weights: new Map(weights.map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }])),
  };
}
