/**
 * What the built-in networks cost at each size: `npm run bench:blueprints [-- --size 64]`. MACs up to and including each exit, and
 * milliseconds of one picture up to it, random weights, one thread; of all turns the fastest, as other programs on the machine only ever add.
 * With `--steps 100` also what each exit has learned by then: batches of 32 of the drawn set, made to the size; judged on 500 others.
 */
import { parseArgs } from "node:util";
import { splitParts } from "../src/dataset/dataset.ts";
import { rescaled } from "../src/dataset/rescale.ts";
import { drawShapesParts } from "../src/dataset/shapes.ts";
import { answersOf, plainRule } from "../src/exits/answers.ts";
import { exitAccuracies } from "../src/exits/environment.ts";
import { computeExitTable } from "../src/exits/exit-logits.ts";
import { input } from "../src/graph/tensor.ts";
import { untrainedNetwork } from "../src/network/blueprint-network.ts";
import { blueprintNames, builtInBlueprint } from "../src/network/blueprints.ts";
import { networkCost } from "../src/network/cost.ts";
import { buildStages } from "../src/network/staged-network.ts";
import { formatDecimal, formatMillions } from "../src/report/format.ts";
import { formatTable } from "../src/report/table.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";
import { trainNetwork } from "../src/story/any.ts";
import { builtInRecipe } from "../src/training/recipe.ts";

const { values: flags } = parseArgs({
  options: {
    size: { type: "string", multiple: true, default: ["32", "64", "128", "224"] },
    turns: { type: "string", default: "25" },
    steps: { type: "string", default: "0" },
    network: { type: "string", multiple: true, default: [...blueprintNames] },
  },
});
const CLASSES = Array.from("0123456789");
const steps = Number(flags.steps);
const runtime = createNodeRuntime({ threads: 1 });

/** A program per exit, which computes everything up to it and nothing else. */
async function upToEachExit(name: string, size: number) {
  const network = untrainedNetwork(builtInBlueprint(name, [3, size, size]), CLASSES);
  const built = buildStages(network, [input("images", [1, 3, size, size])], "batchFirst");
  const programs = await Promise.all(
    built.map((_, exit) => {
      const logits = built
        .slice(0, exit + 1)
        .map((one, k): [string, (typeof one)["logits"]] => [`exit${k + 1}`, one.logits]);
      return Program.compile(runtime, { outputs: Object.fromEntries(logits) });
    }),
  );
  return { name, macs: networkCost(network).exitMacs, programs, times: built.map((): number[] => []) };
}

const BATCH = 32;
const JUDGED = 500;

/** [E] of each head by itself, after so many steps from nothing. */
async function learned(name: string, size: number, steps: number): Promise<number[]> {
  const parts = rescaled(drawShapesParts({ trainCount: 40 * BATCH, testCount: JUDGED }), [3, size, size]);
  const data = splitParts(parts, 0.2, 1); // 32 steps an epoch
  const recipe = {
    ...builtInRecipe("quick"),
    batchSize: BATCH,
    epochs: steps / BATCH,
    averageDecay: 0.9,
    validateEvery: 1e6,
  };
  const network = await trainNetwork({ runtime, data: { ...data, validation: null }, blueprint: name, recipe });
  const table = await computeExitTable(runtime, network, data.test);
  return exitAccuracies(answersOf(table, plainRule(table.exits)));
}

const rows: string[][] = [];
for (const size of flags.size.map(Number)) {
  const images = new Float32Array(3 * size * size).map((_, i) => Math.sin(i));
  const networks = [];
  for (const name of flags.network) networks.push(await upToEachExit(name, size));
  for (let turn = 0; turn <= Number(flags.turns); turn++)
    for (const { programs, times } of networks)
      for (const [exit, program] of programs.entries()) {
        const started = performance.now();
        await program.run({ images });
        if (turn > 0) times[exit]!.push(performance.now() - started); // the first run allocates
      }
  for (const { name, macs, programs, times } of networks) {
    rows.push([
      name,
      String(size),
      macs.map((one) => formatMillions(one)).join(" / "),
      times.map((one) => formatDecimal(Math.min(...one), 2)).join(" / "),
      ...(steps > 0 ? [(await learned(name, size, steps)).map((one) => (100 * one).toFixed(1)).join(" / ")] : []),
    ]);
    for (const program of programs) await program.close();
  }
}
const titles = [
  "network",
  "size",
  "M MACs of exits 1 / 2 / 3 / 4",
  "ms",
  ...(steps > 0 ? [`% right after ${steps} steps`] : []),
];
process.stdout.write(
  `${formatTable(
    titles.map((title) => ({ title, align: "left" as const })),
    rows,
  )}\n`,
);
