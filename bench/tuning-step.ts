/**
 * The first training step of somebody's network, beside PyTorch's on the same weights and pictures: how far the gradients are apart, and
 * how many pictures a second each trains on (plain SGD, the network's own answer alone).
 *
 *     npm run bench:tuning -- network.onnx [--batch 32] [--threads 1] [--steps 5] [--without-torch]
 *
 * PyTorch: apt-get install python3-torch libopenblas0. Prints one JSON object.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { reshape } from "../src/graph/broadcast.ts";
import { gradients } from "../src/graph/gradients.ts";
import { crossEntropy } from "../src/graph/loss.ts";
import { serialize } from "../src/graph/onnx.ts";
import type { Node } from "../src/graph/onnx_pb.ts";
import { sgd } from "../src/graph/optimizer.ts";
import { input, scalar, sizeOf, type Tensor } from "../src/graph/tensor.ts";
import { fullNetworkGraph } from "../src/inference/stage-programs.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { partBetween } from "../src/network/imported-graph.ts";
import type { OpenedNetwork } from "../src/network/imported-network.ts";
import { buildTrainedPart, constantName } from "../src/network/imported-training.ts";
import { asPlain } from "../src/network/trained-value.ts";
import { attributeOf } from "../src/onnx/onnx-file.ts";
import { integersOf } from "../src/onnx/stored-tensor.ts";
import { normal, seededRandom } from "../src/random.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";
import { openNetwork } from "../src/story/open-network.ts";
import { median } from "./kernels.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: "string", default: "32" },
    threads: { type: "string", default: "1" },
    steps: { type: "string", default: "5" },
    "without-torch": { type: "boolean", default: false },
    /** Whether it runs to the end, no figures: one step of the shipped network, without its exits. */
    short: { type: "boolean", default: false },
  },
});
const [batch, threads, steps] = [flags.batch, flags.threads, flags.short ? 1 : flags.steps].map(Number) as [
  number,
  number,
  number,
];
const runtime = createNodeRuntime({ threads });
const network = flags.short ? await shipped() : await openNetwork(positionals[0]!, { runtime });
const classes = network.prepared.classes!;
const random = seededRandom(1);
const images = input("images", [batch, ...network.picture.shape]);
const targets = input("targets", [batch, classes]);
const feeds = {
  images: Float32Array.from({ length: sizeOf(images.shape) }, () => normal(random)),
  targets: Float32Array.from({ length: batch * classes }, (_, i) =>
    Number(i % classes === (7 * Math.floor(i / classes)) % classes),
  ),
};
const part = buildTrainedPart(network, images, [network.prepared.answer], { frozenTo: [], statistics: "kept" });
const logits = reshape(asPlain(part.value(network.prepared.answer)), [batch, classes]);
const loss = crossEntropy(logits, targets);
const slopes = gradients(loss, part.parameters);
const ours = await measured(loss, slopes);
const theirs = flags["without-torch"] || flags.short ? null : peer();
process.stdout.write(
  `${JSON.stringify({ network: network.name, batch, threads, earlyexit: ours.figures, ...(theirs ? { pytorch: theirs.figures, ...difference(ours.gradients, theirs.gradients) } : {}) }, null, 2)}\n`,
);

async function measured(value: Tensor, all: readonly Tensor[]) {
  const outputs = { loss: value, ...Object.fromEntries(all.map((one, i) => [`d${i}`, one])) };
  const once = await Program.compile(runtime, { outputs });
  const found = await once.run(feeds);
  await once.close();
  const trained = part.parameters.map((parameter, i) => ({ parameter, gradient: all[i]! }));
  const definition = { outputs: { loss: value }, updates: sgd(trained, scalar(1e-4)) };
  const program = await Program.compile(runtime, definition, { optimizeFor: "training" });
  const times: number[] = [];
  for (let step = 0; step <= steps; step++) {
    const started = performance.now();
    await program.run(feeds, step);
    if (step > 0) times.push(performance.now() - started);
  }
  await program.close();
  return {
    figures: { loss: found.loss![0]!, imagesPerSecond: (1000 * batch) / median(times) },
    gradients: all.map((_, i) => found[`d${i}`]!),
  };
}

/** The network that comes along, as somebody else's file. */
async function shipped(): Promise<OpenedNetwork> {
  const { network } = await loadModel("shapes");
  const folder = mkdtempSync(join(tmpdir(), "tuning-step-"));
  try {
    writeFileSync(join(folder, "shapes.onnx"), serialize(fullNetworkGraph(network)).bytes);
    return await openNetwork(join(folder, "shapes.onnx"), { runtime });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** PyTorch's figures and gradients: nodes, weights and batch go to it as files. */
function peer() {
  const folder = mkdtempSync(join(tmpdir(), "tuning-step-"));
  try {
    const names = part.parameters.map(({ source }) => constantName(source.name)!);
    const shapes = part.parameters.map(({ shape }, i) => [names[i], shape]);
    writeFileSync(join(folder, "weights.bin"), joined(part.parameters.map(({ source }) => source.initial())));
    writeFileSync(join(folder, "batch.bin"), joined([feeds.images, feeds.targets]));
    const described = {
      weights: shapes,
      batch: [
        ["images", images.shape],
        ["targets", targets.shape],
      ],
      input: network.prepared.main,
      nodes: nodesOf(network),
    };
    writeFileSync(join(folder, "graph.json"), JSON.stringify(described));
    const script = fileURLToPath(new URL("../scripts/peers/tuning_step.py", import.meta.url));
    const output = execFileSync(
      "/usr/bin/python3",
      [script, folder, "--threads", String(threads), "--steps", String(steps)],
      {
        encoding: "utf8",
      },
    );
    const bytes = readFileSync(join(folder, "gradients.bin"));
    const values = new Float32Array(new Uint8Array(bytes).buffer);
    let from = 0;
    const found = part.parameters.map(({ shape }) => {
      from += sizeOf(shape);
      return values.subarray(from - sizeOf(shape), from);
    });
    return { figures: JSON.parse(output) as Record<string, unknown>, gradients: found };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function joined(parts: readonly Float32Array[]): Uint8Array {
  return Buffer.concat(parts.map((one) => new Uint8Array(one.buffer, one.byteOffset, one.byteLength)));
}

function nodesOf({ prepared }: OpenedNetwork) {
  const { constants } = prepared.graph;
  const whole = (name: string | undefined): number[] | undefined =>
    name ? (integersOf(constants.get(name)!) ?? undefined) : undefined;
  const float = (name: string | undefined): number =>
    new Float32Array(new Uint8Array(constants.get(name!)!.rawData!).buffer)[0]!;
  const inputs = (node: Node): Record<string, unknown> => {
    if (node.opType === "Clip") return { min: float(node.input[1]), max: float(node.input[2]) };
    if (node.opType === "Pad") return { pads: whole(node.input[1]) };
    if (node.opType === "Slice") {
      const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => whole(node.input[i]));
      return { starts, ends, axes: axes ?? starts!.map((_, i) => i), steps: steps ?? starts!.map(() => 1) };
    }
    return {};
  };
  return partBetween(prepared, new Set([prepared.main]), [prepared.answer]).nodes.map((node) => ({
    op: node.opType,
    inputs: ["Clip", "Pad", "Slice", "Reshape", "Squeeze"].includes(node.opType!) ? node.input.slice(0, 1) : node.input,
    output: node.output[0],
    attributes: {
      ...Object.fromEntries(
        ["pads", "strides", "kernel_shape"].flatMap((name) =>
          attributeOf(node, name) ? [[name, attributeOf(node, name)!.ints.map(Number)]] : [],
        ),
      ),
      ...(attributeOf(node, "group") ? { group: Number(attributeOf(node, "group")!.i) } : {}),
      ...inputs(node),
    },
  }));
}

/** Of each parameter the length of the difference, in units of the length of PyTorch's gradient. */
function difference(mine: readonly Float32Array[], others: readonly Float32Array[]) {
  const apart = mine.map((one, i) => {
    const other = others[i]!;
    return length(one.map((value, at) => value - other[at]!)) / length(other);
  });
  const most = Math.max(...apart);
  return { parameters: apart.length, largestDifference: most, at: part.parameters[apart.indexOf(most)]!.source.name };
}

function length(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}
