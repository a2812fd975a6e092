import { runtimeOfOpset } from "../graph/older-opset.ts";
import type { GraphDefinition, SerializedGraph } from "../graph/onnx.ts";
import type { ElementType, Tensor } from "../graph/tensor.ts";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { PreciseAnswers } from "../policy/unsure.ts";
import { VERSION } from "../version.ts";

/** An ONNX file and what a user of it must know. */
export interface ExportedFile {
  readonly bytes: Uint8Array;
  readonly description: FileDescription;
}

export interface FileDescription {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly inputs: readonly ValueDescription[];
  readonly outputs: readonly ValueDescription[];
  /** ONNX operators in it, sorted. */
  readonly operators: readonly string[];
}

interface ValueDescription {
  readonly name: string;
  readonly type: ElementType;
  /** "B" is any number, the same in all of a file's inputs and outputs; [] is a scalar. */
  readonly shape: readonly (number | "B")[];
  readonly meaning: string;
  /** Of an input that the stage before computes: the name of its output there. */
  readonly from?: string;
}

export type ExportTarget = "onnx" | "stages";

/** `manifest.json`: all that a program in any language needs to use the files beside it. */
export interface Manifest {
  readonly format: 1;
  readonly version: string;
  readonly target: ExportTarget;
  readonly network: string;
  /** [K] */
  readonly classes: readonly string[];
  readonly image: {
    readonly shape: readonly number[];
    readonly range: readonly [0, 255];
    /** (x / 255 - mean) / std per channel, done inside the first file: pictures are given as they are */
    readonly normalisation: {
      readonly mean: readonly number[];
      readonly std: readonly number[];
      readonly inside: true;
    };
  };
  readonly lambda: { readonly from: number; readonly to: number; readonly recommended: number };
  /** MACs up to and including each exit, decisions included, and of the backbone with its last head alone. */
  readonly costs: { readonly exitMacs: readonly number[]; readonly fullMacs: number };
  /** Pictures per run; null: any number. */
  readonly batch: number | null;
  /** Version of the standard operator set. */
  readonly opset: number;
  /** The first ONNX Runtime that knows it. */
  readonly leastRuntime: string;
  /** From which confidence on a class is named, and what that gave on validation; absent: a class is always named. */
  readonly precise?: PreciseAnswers;
  /** In the order in which they run. */
  readonly files: readonly FileDescription[];
}

/** @param meanings one sentence per input and output */
export async function describeFile(
  file: string,
  { outputs, anyBatch = false }: GraphDefinition,
  { bytes, inputs, operators }: SerializedGraph,
  meanings: Readonly<Record<string, string>>,
): Promise<ExportedFile> {
  const describe = (name: string, { type, shape }: Tensor): ValueDescription => ({
    name,
    type,
    shape: shape.map((size, axis) => (anyBatch && axis === 0 ? "B" : size)),
    meaning: meanings[name]!,
    ...(meanings[`next_${name}`] ? { from: `next_${name}` } : {}),
  });
  const description = {
    file,
    bytes: bytes.length,
    sha256: await sha256(bytes),
    inputs: inputs.map((one) => describe(nameOf(one), one)),
    outputs: Object.entries(outputs).map(([name, one]) => describe(name, one)),
    operators,
  };
  return { bytes, description };
}

function nameOf({ source }: Tensor): string {
  if (source.kind !== "input") throw new TypeError(`export: an input expected, found a ${source.kind}`);
  return source.name;
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export interface ManifestParts {
  readonly target: ExportTarget;
  readonly batch: number | null;
  /** The recommended one. */
  readonly lambda: number;
  readonly opset: number;
  readonly precise?: PreciseAnswers | undefined;
  readonly files: readonly ExportedFile[];
}

export function describeExport(
  network: StagedNetwork,
  { agent, costs }: LearnedPolicy,
  { target, batch, lambda, opset, precise, files }: ManifestParts,
): Manifest {
  const { from, to } = agent.lambdaRange;
  const { name, classes } = network;
  const { shape, normalisation } = pictureOf(network);
  return {
    format: 1,
    version: VERSION,
    target,
    network: name,
    classes,
    image: {
      shape,
      range: [0, 255],
      normalisation: { mean: normalisation.mean, std: normalisation.std, inside: true },
    },
    lambda: { from, to, recommended: lambda },
    costs: { exitMacs: costs.exitMacs, fullMacs: costs.fullMacs },
    batch,
    opset,
    leastRuntime: runtimeOfOpset(opset).runtime,
    ...(precise ? { precise } : {}),
    files: files.map(({ description }) => description),
  };
}
