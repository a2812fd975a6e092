/** What bench:serve is made with: pictures as JPEG files, the whole network as one file, and a model that computes next to nothing. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadModel, type Model, openDataset, parseBlueprint, pictureOf, saveModel } from "earlyexit";
import sharp from "sharp";
import { serialize } from "../../src/graph/onnx.ts";
import { fullNetworkGraph } from "../../src/inference/stage-programs.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import { fixedExitAgent } from "../../src/policy/fixed-exit-agent.ts";

const JPEG_QUALITY = 95;

export interface Pictures {
  readonly files: readonly Buffer[];
  /** Name of the right class of each. */
  readonly names: readonly string[];
}

/** Test pictures as JPEG files, evenly drawn. */
export async function jpegPictures(data: string, seed: number, most: number): Promise<Pictures> {
  const { test, imageShape, classes } = await openDataset(data, { seed });
  const [channels, height, width] = imageShape;
  const area = height * width;
  const count = Math.min(most, test.count);
  const files: Buffer[] = [];
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const at = Math.floor((i * test.count) / count);
    const planes = test.pixels.read(at, at + 1);
    const raw = Uint8Array.from(
      { length: channels * area },
      (_, j) => planes[(j % channels) * area + Math.floor(j / channels)]!,
    );
    const image = sharp(raw, { raw: { width, height, channels: channels as 1 | 3 } });
    files.push(await image.jpeg({ quality: JPEG_QUALITY }).toBuffer());
    names.push(classes[test.labels[at]!]!);
  }
  return { files, names };
}

/** Backbone and last head alone, as one ONNX file; what its user has to know beside it. @returns arguments of peer.ts */
export async function writeWholeNetwork({ network }: Model, folder: string): Promise<string[]> {
  const file = join(folder, "network.onnx");
  await writeFile(file, serialize(fullNetworkGraph(network)).bytes);
  const { shape, normalisation } = pictureOf(network);
  const [, height, width] = shape;
  const { mean, std } = normalisation;
  return [file, ...[height, width, mean, std, network.classes].map((one) => JSON.stringify(one))];
}

/** A model of the same pictures, classes and exits whose first exit pools and is always taken: what is left is decoding and HTTP. */
export async function writeFloorModel(model: Model, folder: string): Promise<string> {
  const { network, policy } = model;
  const head = [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }] as const;
  const blueprint = parseBlueprint({
    name: "floor",
    input: pictureOf(network).shape,
    stages: network.stages.map(() => ({ layers: [{ type: "maxPool" }], head })),
  });
  const floor = untrainedNetwork(blueprint, network.classes);
  const agent = fixedExitAgent(policy!.agent, 0);
  const { network: _, decider: __, choice: ___, ...rest } = policy!;
  const path = join(folder, "floor");
  await mkdir(path, { recursive: true });
  await saveModel(path, { network: floor, policy: { ...rest, agent, costs: exitCosts(floor, agent) } });
  return path;
}

/** @throws {Error} if there is no policy in it */
export async function openModel(folder: string): Promise<Model> {
  const model = await loadModel(folder);
  if (!model.policy) throw new Error(`bench:serve: a model with a policy expected in ${folder}, found none; learn one`);
  return model;
}
