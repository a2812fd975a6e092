/**
 * How fast a training step is, and what it could be: `npm run bench:train [-- --json] [-- --short]`.
 * The roof, every convolution and matrix product alone, whole steps, and PyTorch beside it, in one run: these machines are
 * noisy, so only figures of one run compare.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { shapesDataset } from "../src/dataset/shapes.ts";
import { computeExitTable } from "../src/exits/exit-logits.ts";
import { input } from "../src/graph/tensor.ts";
import type { Blueprint } from "../src/network/blueprint.ts";
import { untrainedNetwork } from "../src/network/blueprint-network.ts";
import { builtInBlueprint } from "../src/network/blueprints.ts";
import { blueprintStages, networkCost } from "../src/network/cost.ts";
import { buildStages } from "../src/network/staged-network.ts";
import { formatTable } from "../src/report/table.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";
import { buildTrainingStep } from "../src/training/step.ts";
import { gflops, type Kernel, kernelsOf, kernelTimer, median, timeConvolutions, timeKernel } from "./kernels.ts";
import { recipeFor } from "./train-recipe.ts";
import type { StepTimes } from "./train-step.ts";

const BATCH = 128;
const CLASSES = Array.from("0123456789");
const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    device: { type: "string", default: "cpu" },
    threads: { type: "string" },
    /** Of each turn. */
    steps: { type: "string" },
    network: { type: "string", multiple: true },
    /** Whether it runs to the end, no figures: one turn of one step of `tiny`. */
    short: { type: "boolean", default: false },
  },
});
const turns = flags.short ? 1 : 5;
const steps = flags.steps ?? (flags.short ? "1" : "5");
const networks = flags.network ?? (flags.short ? ["tiny"] : ["compact", "classic"]);
const threads = Number(flags.threads ?? availableParallelism());
const runtime = createNodeRuntime({ device: flags.device, threads });
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Peer {
  readonly name: string;
  readonly imagesPerSecond: number;
  readonly evaluationImagesPerSecond: number;
}

function conv(channels: number, side: number, batch: number): Kernel {
  const shape = [batch, channels, side, side];
  const attributes = { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], group: 1 };
  const inputs = [shape, [channels, channels, 3, 3]].map((one) => ({ shape: one, transposed: false }));
  return { operator: "Conv", attributes, inputs, shape, count: 1, macs: batch * side * side * channels * channels * 9 };
}

/** The best that forward convolutions and a square product reach here. */
async function measureRoof(): Promise<number> {
  const square = { shape: [1024, 1024], transposed: false };
  const product: Kernel = {
    operator: "MatMul",
    attributes: {},
    inputs: [square, square],
    shape: square.shape,
    count: 1,
    macs: 1024 ** 3,
  };
  const kernels = [product];
  for (const [channels, side] of [
    [64, 32],
    [128, 16],
    [256, 8],
    [512, 4],
  ] as const)
    for (const batch of flags.short ? [] : [32, 128]) kernels.push(conv(channels, side, batch));
  let best = 0;
  for (const kernel of kernels) {
    const reached = gflops(kernel.macs, await timeKernel(runtime, kernel, 5));
    say(
      `roof: ${kernel.operator} ${kernel.inputs.map(({ shape }) => shape.join("x")).join(" ")}: ${reached.toFixed(0)} GFLOP/s`,
    );
    best = Math.max(best, reached);
  }
  return best;
}

function measureStep(network: string): StepTimes {
  const script = fileURLToPath(new URL("train-step.ts", import.meta.url));
  const options = { network, device: flags.device, threads: String(threads), steps };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const output = execFileSync(process.execPath, [...process.execArgv, script, ...args], { encoding: "utf8" });
  return JSON.parse(output) as StepTimes;
}

/** Images per second of an exit table: all exits, constant weights, batch norm folded, preparation of the images included. */
async function measureEvaluation(network: string): Promise<number> {
  const blueprint = builtInBlueprint(network);
  const data = shapesDataset({ trainCount: 10, testCount: 2000 });
  const marks: [number, number][] = [];
  const untrained = untrainedNetwork(blueprint, data.classes);
  await computeExitTable(runtime, untrained, data.test!, (done) => marks.push([done, performance.now()]));
  const [[firstDone, start], [lastDone, end]] = [marks[4]!, marks.at(-1)!]; // the first few allocate
  return (1000 * (lastDone - firstDone)) / (end - start);
}

/** Where the time of a step goes, by operator, from ONNX Runtime's own profile: [operator, ms]. */
async function profile(definition: ReturnType<typeof buildTrainingStep>, exits: number): Promise<[string, number][]> {
  const prefix = `earlyexit-profile-${process.pid}`;
  const program = await Program.compile(runtime, definition, {
    optimizeFor: "training",
    profilePrefix: join(tmpdir(), prefix),
  });
  const feeds = {
    images: new Float32Array(BATCH * 3072).map((_, i) => Math.sin(i)),
    targets: new Float32Array(BATCH * 10).map((_, i) => (i % 11 === 0 ? 1 : 0)),
    learningRate: Float32Array.of(1e-3),
    exitWeights: new Float32Array(exits).fill(1 / exits),
    averageDecay: Float32Array.of(0.9),
  };
  const runs = 3;
  for (let step = 0; step < runs; step++) await program.run(feeds, step);
  await program.close();
  const file = readdirSync(tmpdir()).find((name) => name.startsWith(prefix))!;
  const events = JSON.parse(readFileSync(join(tmpdir(), file), "utf8")) as {
    name: string;
    dur: number;
    args?: { op_name?: string };
  }[];
  rmSync(join(tmpdir(), file));
  const byOperator = new Map<string, number>();
  for (const { name, dur, args } of events)
    if (args?.op_name && name.endsWith("_kernel_time"))
      byOperator.set(args.op_name, (byOperator.get(args.op_name) ?? 0) + dur / 1000 / runs);
  return [...byOperator].sort(([, a], [, b]) => b - a);
}

function measurePeer(): Peer | null {
  const script = new URL("../scripts/peers/torch_classic.py", import.meta.url).pathname;
  try {
    const output = execFileSync("/usr/bin/python3", [script, "--threads", String(threads)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return JSON.parse(output) as Peer;
  } catch {
    return null;
  }
}

/** Milliseconds, effective GFLOP/s (2 x MACs / time, whatever the algorithm multiplies) and its share of the roof, of all three. */
async function convolutionTable(blueprint: Blueprint, roof: number): Promise<string> {
  const network = untrainedNetwork(blueprint, CLASSES);
  const stages = buildStages(network, [input("images", [1, ...blueprint.input])], "batchFirst");
  const outputs = Object.fromEntries(stages.map(({ logits }, exit) => [exit, logits]));
  const cells = (macs: number, ms: number): string =>
    `${ms.toFixed(1)} ms ${gflops(macs, ms).toFixed(0)} ${((100 * gflops(macs, ms)) / roof).toFixed(0)}%`;
  const rows = (await timeConvolutions(runtime, { outputs }, BATCH, 3)).map((one) => [
    one.name,
    String(one.count),
    ...[one.forward, one.toInput, one.toWeight].map((ms) => cells(one.macs, ms)),
  ]);
  const titles = ["times", "forward", "to the input", "to the weights"].map((title) => ({ title }));
  return formatTable([{ title: "convolution", align: "left" as const }, ...titles], rows);
}

/** Steps and kernels take turns, since the machine's speed changes from one minute to the next; medians over the turns. */
async function measureStepAndKernels(network: string, kernels: readonly Kernel[]) {
  const timers = [];
  for (const kernel of kernels) timers.push(await kernelTimer(runtime, kernel));
  const taken: { step: StepTimes; kernelMs: number[]; kernelsAloneMs: number }[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const step = measureStep(network);
    const kernelMs: number[] = [];
    for (const timer of timers) kernelMs.push(await timer.time(3));
    const kernelsAloneMs = kernels.reduce((sum, { count }, i) => sum + count * kernelMs[i]!, 0);
    taken.push({ step, kernelMs, kernelsAloneMs });
    say(`${network}: step ${step.stepMs.toFixed(0)} ms, kernels alone ${kernelsAloneMs.toFixed(0)} ms`);
  }
  for (const timer of timers) await timer.close();
  return {
    stepMs: median(taken.map(({ step }) => step.stepMs)),
    waitMs: median(taken.map(({ step }) => step.waitMs)),
    peakResidentBytes: Math.max(...taken.map(({ step }) => step.peakResidentBytes)),
    residentBytes: taken[0]!.step.residentBytes,
    kernelMs: kernels.map((_, i) => median(taken.map((turn) => turn.kernelMs[i]!))),
    kernelsAloneMs: median(taken.map((turn) => turn.kernelsAloneMs)),
    stepOverKernels: median(taken.map((turn) => turn.step.stepMs / turn.kernelsAloneMs)),
  };
}

async function measureNetwork(network: string, roof: number) {
  const blueprint = builtInBlueprint(network);
  const definition = buildTrainingStep(untrainedNetwork(blueprint, CLASSES).trainable!, recipeFor(network), {
    seed: 1,
  });
  const kernels = kernelsOf(definition);
  const { stepMs, waitMs, peakResidentBytes, residentBytes, kernelMs, kernelsAloneMs, stepOverKernels } =
    await measureStepAndKernels(network, kernels);
  const evaluationImagesPerSecond = await measureEvaluation(network);
  const { exitMacs } = networkCost(blueprintStages(blueprint, CLASSES.length));
  const imagesPerSecond = (1000 * BATCH) / stepMs;
  const effectiveGflops = (6 * exitMacs.at(-1)! * imagesPerSecond) / 1e9;
  const rows = kernels.map((kernel, i) => {
    const speed = gflops(kernel.macs, kernelMs[i]!);
    const shapes = kernel.inputs.map(({ shape, transposed }) => shape.join("x") + (transposed ? "^T" : "")).join(" ");
    return [
      kernel.operator,
      shapes,
      String(kernel.count),
      kernelMs[i]!.toFixed(2),
      speed.toFixed(0),
      `${((100 * speed) / roof).toFixed(0)}%`,
    ];
  });
  const columns = [
    { title: "operator", align: "left" as const },
    { title: "inputs", align: "left" as const },
    { title: "times" },
    { title: "ms" },
    { title: "GFLOP/s" },
    { title: "of roof" },
  ];
  say(
    `\n${network}, batch ${BATCH}: convolutions and matrix products alone\n${formatTable(
      columns,
      rows.sort((a, b) => Number(b[2]) * Number(b[3]) - Number(a[2]) * Number(a[3])),
    )}`,
  );
  say(`\n${network}: convolutions as they are trained\n${await convolutionTable(blueprint, roof)}`);
  const operators = (await profile(definition, blueprint.stages.length))
    .slice(0, 12)
    .map(([name, ms]) => `${name} ${ms.toFixed(0)}`);
  say(`\n${network}: ms of a step by operator: ${operators.join(", ")}`);
  const peer = network === "classic" ? measurePeer() : null;
  say(
    `${network}: ${imagesPerSecond.toFixed(1)} images/s, ${effectiveGflops.toFixed(0)} effective GFLOP/s, step ${stepMs.toFixed(0)} ms (waiting for its batch ${waitMs.toFixed(1)}), kernels alone ${kernelsAloneMs.toFixed(0)} ms` +
      (peer
        ? `; ${peer.name}: ${peer.imagesPerSecond.toFixed(1)} images/s, ratio ${(imagesPerSecond / peer.imagesPerSecond).toFixed(2)}`
        : ""),
  );
  say(
    `${network}: step over kernels alone ${stepOverKernels.toFixed(2)}; resident ${residentBytes.map((one) => (one / 1e9).toFixed(2)).join(" GB, at the end ")} GB, ` +
      `at most ${(peakResidentBytes / 1e9).toFixed(2)} GB; evaluation of all exits ${evaluationImagesPerSecond.toFixed(0)} images/s` +
      (peer ? `, ${peer.name} ${peer.evaluationImagesPerSecond.toFixed(0)}` : ""),
  );
  return {
    network,
    batch: BATCH,
    imagesPerSecond,
    effectiveGflops,
    stepMs,
    kernelsAloneMs,
    stepOverKernels,
    peakResidentBytes,
    residentBytes,
    evaluationImagesPerSecond,
    peer,
  };
}

const roofGflops = await measureRoof();
const runs = [];
for (const network of networks) runs.push(await measureNetwork(network, roofGflops));
const report = {
  machine: `${cpus()[0]!.model}, ${threads} threads, ${flags.device}, Node ${process.version}`,
  threads,
  roofGflops,
  runs,
};
if (flags.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
