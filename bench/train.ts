/**
 * How fast a training step is, and what it could be: `npm run bench:train [-- --json]`.
 * The roof, every convolution and matrix product alone, whole steps, and PyTorch beside it, in one run: these machines are
 * noisy, so only figures of one run compare.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { channelStatistics } from "../src/dataset/augmentation.ts";
import { shapesDataset } from "../src/dataset/shapes.ts";
import { workerBatches } from "../src/dataset/worker-batches.ts";
import { builtInBlueprint } from "../src/network/blueprints.ts";
import { networkCost } from "../src/network/cost.ts";
import { formatTable } from "../src/report/table.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";
import { builtInRecipe } from "../src/training/recipe.ts";
import { buildTrainingStep } from "../src/training/step.ts";
import { gflops, type Kernel, kernelsOf, median, timeKernel } from "./kernels.ts";

const BATCH = 128;
const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    device: { type: "string", default: "cpu" },
    threads: { type: "string" },
    steps: { type: "string", default: "10" },
  },
});
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
    for (const batch of [32, 128]) kernels.push(conv(channels, side, batch));
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

/** A whole step with everything a real training does: dropout, statistics, clipping, batches from a worker. */
async function measureStep(network: string) {
  const blueprint = builtInBlueprint(network);
  const recipe = builtInRecipe(network === "classic" ? "published" : "standard");
  const data = shapesDataset({ trainCount: 2000, testCount: 10 });
  const definition = buildTrainingStep(blueprint, 10, recipe, { seed: 1 });
  const program = await Program.compile(runtime, definition, { seed: 1, optimizeFor: "training" });
  const source = workerBatches({
    samples: data.train!,
    imageShape: data.imageShape,
    classCount: 10,
    batchSize: BATCH,
    normalisation: channelStatistics(data.train!, data.imageShape),
    augmentation: recipe.augmentation,
    seed: 1,
  });
  const exits = blueprint.stages.length;
  const times: number[] = [];
  const waits: number[] = [];
  for (let step = 0; step <= Number(flags.steps); step++) {
    const started = performance.now();
    const batch = await source.next();
    const ready = performance.now();
    await program.run(
      {
        images: batch.images,
        targets: batch.targets,
        learningRate: Float32Array.of(1e-3),
        exitWeights: new Float32Array(exits).fill(1 / exits),
        averageDecay: Float32Array.of(0.9),
      },
      step,
    );
    source.recycle(batch);
    if (step === 0) continue; // the first step allocates
    waits.push(ready - started);
    times.push(performance.now() - started);
  }
  await source.close();
  await program.close();
  return {
    definition,
    stepMs: median(times),
    waitMs: median(waits),
    peakResidentBytes: process.resourceUsage().maxRSS * 1024,
  };
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

async function measureNetwork(network: string, roof: number) {
  const exits = builtInBlueprint(network).stages.length;
  const { definition, stepMs, waitMs, peakResidentBytes } = await measureStep(network);
  const { exitMacs } = networkCost(builtInBlueprint(network), 10);
  const imagesPerSecond = (1000 * BATCH) / stepMs;
  const kernels = kernelsOf(definition);
  const rows: string[][] = [];
  let kernelsAloneMs = 0;
  for (const kernel of kernels) {
    const ms = await timeKernel(runtime, kernel, 3);
    kernelsAloneMs += ms * kernel.count;
    const speed = gflops(kernel.macs, ms);
    const shapes = kernel.inputs.map(({ shape, transposed }) => shape.join("x") + (transposed ? "^T" : "")).join(" ");
    rows.push([
      kernel.operator,
      shapes,
      String(kernel.count),
      ms.toFixed(2),
      speed.toFixed(0),
      `${((100 * speed) / roof).toFixed(0)}%`,
    ]);
  }
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
  const operators = (await profile(definition, exits)).slice(0, 12).map(([name, ms]) => `${name} ${ms.toFixed(0)}`);
  say(`\n${network}: ms of a step by operator: ${operators.join(", ")}`);
  const peer = network === "classic" ? measurePeer() : null;
  say(
    `${network}: ${imagesPerSecond.toFixed(1)} images/s, step ${stepMs.toFixed(0)} ms (waiting for its batch ${waitMs.toFixed(1)}), kernels alone ${kernelsAloneMs.toFixed(0)} ms` +
      (peer
        ? `; ${peer.name}: ${peer.imagesPerSecond.toFixed(1)} images/s, ratio ${(imagesPerSecond / peer.imagesPerSecond).toFixed(2)}`
        : ""),
  );
  return {
    network,
    batch: BATCH,
    imagesPerSecond,
    effectiveGflops: (6 * exitMacs.at(-1)! * imagesPerSecond) / 1e9,
    stepMs,
    kernelsAloneMs,
    peakResidentBytes,
    peer: peer && { name: peer.name, imagesPerSecond: peer.imagesPerSecond },
  };
}

const roofGflops = await measureRoof();
const runs = [];
for (const network of ["compact", "classic"]) runs.push(await measureNetwork(network, roofGflops));
const report = {
  machine: `${cpus()[0]!.model}, ${threads} threads, ${flags.device}, Node ${process.version}`,
  threads,
  roofGflops,
  runs,
};
if (flags.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
