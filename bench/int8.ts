/**
 * The full network in floats and in 8 bits, one session each, in turns: `npm run bench:int8 -- [NAME|FOLDER ..] [--batch 1,256]`.
 * Of a blueprint weights are random, and steps are rules of thumb: a time depends on neither. Prints milliseconds per image (median and
 * lowest tenth) and how many times as fast 8 bits are by both.
 */
import { parseArgs } from "node:util";
import { fullNetworkGraph } from "../src/inference/stage-programs.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { untrainedNetwork } from "../src/network/blueprint-network.ts";
import { blueprintNames, builtInBlueprint } from "../src/network/blueprints.ts";
import type { StagedNetwork } from "../src/network/staged-network.ts";
import { withSteps } from "../src/quantise/quantise.ts";
import { permutation, seededRandom, uniform } from "../src/random.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";
import { Program } from "../src/runtime/program.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: "string", default: "1,256" },
    rounds: { type: "string", default: "60" },
    threads: { type: "string", default: "1" },
  },
});
const runtime = createNodeRuntime({ threads: Number(values.threads) });
for (const name of positionals.length > 0 ? positionals : ["compact", "classic"])
  for (const batch of values.batch.split(",").map(Number)) await compare(name, await networkOf(name), batch);

async function networkOf(name: string): Promise<StagedNetwork> {
  if (!(blueprintNames as readonly string[]).includes(name)) return (await loadModel(name)).network;
  const classes = Array.from({ length: 10 }, (_, k) => `class ${k}`);
  return untrainedNetwork(builtInBlueprint(name), classes);
}

async function compare(name: string, float: StagedNetwork, batch: number): Promise<void> {
  const eightBits = withSteps(float, (operator) =>
    /Relu|Clip/.test(operator) ? { scale: Math.fround(6 / 256), zero: 0 } : { scale: Math.fround(0.05), zero: 128 },
  );
  const programs = [
    await Program.compile(runtime, fullNetworkGraph(float)),
    await Program.compile(runtime, fullNetworkGraph(eightBits)),
  ];
  const random = seededRandom(1);
  const size = float.inputs[0]!.shape.reduce((product, one) => product * one, batch);
  const x = Float32Array.from({ length: size }, () => 2 * uniform(random) - 1);
  const times: number[][] = [[], []];
  const rounds = Math.max(5, Math.ceil(Number(values.rounds) / Math.sqrt(batch)));
  for (let round = 0; round < rounds; round++)
    for (const place of permutation(random, 2))
      for (let run = 0; run < 4; run++) {
        const begun = performance.now();
        await programs[place]!.run({ x });
        if (run > 0 || batch > 1) times[place]!.push((performance.now() - begun) / batch); // the first warms the caches
      }
  for (const program of programs) await program.close();
  const at = (place: number, share: number): number => {
    const rising = [...times[place]!].sort((a, b) => a - b);
    return rising[Math.floor(share * (rising.length - 1))]!;
  };
  const texts = [0.5, 0.1].map(
    (share) =>
      `${at(0, share).toFixed(3)} and ${at(1, share).toFixed(3)} ms, ${(at(0, share) / at(1, share)).toFixed(2)} times`,
  );
  console.log(`${name}, batch ${batch}: median ${texts[0]}; lowest tenth ${texts[1]}`);
}
