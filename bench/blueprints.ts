/**
 * What the built-in networks cost at each size: `npm run bench:blueprints [-- --size 64]`. MACs up to and including each exit, and
 * milliseconds of one picture up to it, random weights, one thread; of all turns the fastest, as other programs on the machine only ever add.
 */
import { parseArgs } from "node:util";
import { input } from "../src/graph/tensor.ts";
import { untrainedNetwork } from "../src/network/blueprint-network.ts";
import { blueprintNames, builtInBlueprint } from "../src/network/blueprints.ts";
import { networkCost } from "../src/network/cost.ts";
import { buildStages } from "../src/network/staged-network.ts";
import { formatDecimal, formatMillions } from "../src/report/format.ts";
import { formatTable } from "../src/report/table.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";

const { values: flags } = parseArgs({
  options: {
    size: { type: "string", multiple: true, default: ["32", "64", "128", "224"] },
    turns: { type: "string", default: "25" },
  },
});
const CLASSES = Array.from("0123456789");
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

const rows: string[][] = [];
for (const size of flags.size.map(Number)) {
  const images = new Float32Array(3 * size * size).map((_, i) => Math.sin(i));
  const networks = [];
  for (const name of blueprintNames) networks.push(await upToEachExit(name, size));
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
    ]);
    for (const program of programs) await program.close();
  }
}
const titles = ["network", "size", "M MACs of exits 1 / 2 / 3 / 4", "ms"];
process.stdout.write(
  `${formatTable(
    titles.map((title) => ({ title, align: "left" as const })),
    rows,
  )}\n`,
);
