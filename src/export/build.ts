import { UserError } from "../errors.ts";
import { leastOpset } from "../graph/older-opset.ts";
import { serialize } from "../graph/onnx.ts";
import type { Model } from "../model/model.ts";
import { checkLambda } from "../policy/agent.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import type { PreciseAnswers } from "../policy/unsure.ts";
import { VERSION } from "../version.ts";
import { describeExport, type ExportTarget, type Manifest } from "./manifest.ts";
import { modelCard } from "./model-card.ts";
import { buildOneFile, oneFileGraph } from "./one-file.ts";
import { opsetFor } from "./opset.ts";
import { readme } from "./readme.ts";
import { buildStageFiles } from "./stage-files.ts";

export interface BuildOptions {
  /** "onnx": one file that exits by itself, for one picture a run; "stages": one file per stage, for any number. */
  readonly to: ExportTarget;
  /** Pictures per run, fixed, for compilers that need it; only with "stages". Default: any number. */
  readonly batch?: number;
  /** The lambda that manifest and card recommend; default: the model's recommended one. */
  readonly lambda?: number;
  /** Version of the standard operator set, 17 to 20; default: the oldest that the network's operators allow, 17 for networks from blueprints. */
  readonly opset?: number;
  /** From which confidence on the files name a class, solved at the same lambda; absent: always. */
  readonly precise?: PreciseAnswers;
}

interface BuiltExport {
  readonly manifest: Manifest;
  /** All files by name, the manifest among them. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Names that an export may have: a folder that holds nothing else may be replaced by the next export. */
export const EXPORTED_NAME = /^(model\.onnx|policy\.onnx|stage-\d+\.onnx|manifest\.json|README\.md|MODEL_CARD\.md)$/;

/**
 * A model as files, by name. Reads and writes nothing; the same model gives the same bytes.
 *
 * @throws {UserError} if the model has no policy, lambda is outside what it was trained for, or the batch does not fit
 */
export async function buildExport(
  model: Model,
  { to, batch, lambda, opset: given, precise }: BuildOptions,
): Promise<BuiltExport> {
  const { network, figures } = model;
  const policy = policyOf(model);
  const recommended = lambda ?? policy.lambda;
  checkLambda(policy.agent, recommended);
  checkBatch(to, batch);
  const size = to === "onnx" ? 1 : (batch ?? null);
  const metadata = metadataOf(model, policy, recommended, precise);
  const opset = opsetFor(leastOpset(serialize(oneFileGraph(network, policy, precise)).operators), given);
  const about = { metadata, opset };
  const onnxFiles =
    to === "onnx"
      ? [await buildOneFile(network, policy, about, precise)]
      : await buildStageFiles(network, policy, { batch: size, precise }, about);
  const described = { target: to, batch: size, lambda: recommended, opset, precise, files: onnxFiles };
  const manifest = describeExport(network, policy, described);
  const texts = {
    "manifest.json": `${JSON.stringify(manifest, null, 2)}\n`,
    "README.md": readme(manifest),
    "MODEL_CARD.md": modelCard(network, policy, manifest, figures),
  };
  const files = new Map([
    ...onnxFiles.map(({ bytes, description }): [string, Uint8Array] => [description.file, bytes]),
    ...Object.entries(texts).map(([name, text]): [string, Uint8Array] => [name, new TextEncoder().encode(text)]),
  ]);
  return { manifest, files };
}

/** @throws {UserError} if there is none, or its costs are not MACs, which is what the exported files say they are */
function policyOf({ policy }: Model): LearnedPolicy {
  if (!policy)
    throw new UserError("export: a model with a policy expected, found a network alone; run 'earlyexit learn' first");
  if (policy.costUnit && policy.costUnit !== "MACs")
    throw new UserError(
      `export: a policy priced in MACs expected, found one in ${policy.costUnit}; run 'earlyexit learn --cost macs' first`,
    );
  return policy;
}

function checkBatch(to: ExportTarget, batch: number | undefined): void {
  if (batch === undefined || (to === "onnx" && batch === 1)) return;
  if (to === "onnx")
    throw new UserError(
      `export: a batch of 1 expected with onnx (the file decides once per run), found ${batch}; leave it out, or export stages`,
    );
  if (!Number.isInteger(batch) || batch < 1)
    throw new UserError(`export: a batch of at least 1 expected, found ${batch}; give a whole number, or leave it out`);
}

/** What a file says about itself when it is found without its folder. */
function metadataOf(
  { network }: Model,
  { agent }: LearnedPolicy,
  lambda: number,
  precise: PreciseAnswers | undefined,
): Record<string, string> {
  const { from, to } = agent.lambdaRange;
  return {
    classes: JSON.stringify(network.classes),
    lambda: JSON.stringify({ from, to, recommended: lambda }),
    ...(precise ? { precise: JSON.stringify(precise) } : {}),
    dataset: network.provenance.dataset.name,
    ...(network.original ? {} : { license: "MIT" }),
    producer: `earlyexit ${VERSION}`,
  };
}
