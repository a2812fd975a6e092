import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { input } from "../../src/graph/tensor.ts";
import { importedTrainable } from "../../src/network/imported-trainable.ts";
import { buildStages } from "../../src/network/staged-network.ts";
import { findCuts } from "../../src/onnx/cuts.ts";
import { Program } from "../../src/runtime/program.ts";
import { expectClose } from "../graph/check.ts";
import { smallParts } from "../onnx/files.ts";
import { attached, noise, opened, openedFile, runtime } from "./imported.ts";

const ALL = { depth: "all", statistics: "kept", rateByDepth: 1 } as const;
const BATCH = 3;

/** Logits of all exits, as the network is used and as it is trained. */
async function bothWays(network: ReturnType<typeof attached>, options: Parameters<typeof importedTrainable>[1] = ALL) {
  const images = input("images", [BATCH, ...network.inputs[0]!.shape]);
  const trainable = importedTrainable(network, options);
  const used = buildStages(network, [images], "batchFirst").map(({ logits }) => logits);
  const trained = trainable.graph(images);
  const outputs = Object.fromEntries([
    ...used.map((one, k) => [`used${k}`, one] as const),
    ...trained.logits.map((one, k) => [`trained${k}`, one] as const),
  ]);
  const program = await Program.compile(runtime, { outputs });
  const results = await program.run({ images: noise(images.shape.reduce((a, b) => a * b)) });
  await program.close();
  return { results, trainable, trained, exits: used.length };
}

test("trained and used, a network with heads gives the same logits, and all of its weights are parameters", async () => {
  const network = attached(await opened(smallParts({ side: 8 })), ["a", "b"]);
  const { results, trainable, trained, exits } = await bothWays(network);
  for (let k = 0; k < exits; k++) expectClose(results[`trained${k}`]!, results[`used${k}`]!, 1e-5, `exit ${k + 1}`);
  expect(trainable.frozen).toEqual([]);
  expect(trained.parameters.map(({ source }) => source.name)).toEqual([
    ..."w1.weight b1.bias w2.weight w3.weight w4.weight w5.weight b5.bias".split(" ").map((name) => `backbone.${name}`),
    ..."heads.0.out.weight heads.0.out.bias".split(" "),
    ..."heads.1.hidden.weight heads.1.hidden.bias heads.1.out.weight heads.1.out.bias".split(" "),
  ]);
});

const strangers = ["resnet20", "mobilenet-v2-imagenet"].map((name) => ({
  name,
  path: `/work/shared/networks/${name}.onnx`,
}));

test.each(strangers)("$name: trained and used the logits are the same", async ({ path }) => {
  if (!existsSync(path)) return void console.log(`skipped: ${path} is not there`);
  const opened = await openedFile(new Uint8Array(readFileSync(path)));
  const cuts = findCuts(opened.prepared);
  const network = attached(opened, [cuts[Math.floor(cuts.length / 3)]!.name, cuts.at(-2)!.name]);
  const { results, trainable, exits } = await bothWays(network);
  for (let k = 0; k < exits; k++) expectClose(results[`trained${k}`]!, results[`used${k}`]!, 2e-4, `exit ${k + 1}`);
  expect(trainable.frozen).toEqual([]);
});
