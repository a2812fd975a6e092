/** A network of three exits with random weights, and agents made by hand. */
import { createSamples, type Dataset, type Samples } from "../../src/dataset/dataset.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { stateWidth } from "../../src/exits/observation.ts";
import type { Model } from "../../src/model/model.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { blueprintNetwork } from "../../src/network/blueprint-network.ts";
import type { NamedArray } from "../../src/network/weights.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import type { LearnedPolicy } from "../../src/policy/learned-policy.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import { integer, normal, seededRandom, uniform } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { parseRecipe } from "../../src/training/recipe.ts";
import { randomWeights } from "../network/small.ts";

export const EXITS = 3;
export const CLASSES = ["cat", "dog", "bird", "fish"];
export const IMAGE_SIZE = 2 * 8 * 8;

const head = [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }];
const conv = (channels: number) => [{ type: "conv", channels }, { type: "batchNorm" }, { type: "relu" }];

const blueprint = parseBlueprint({
  name: "three exits",
  input: [2, 8, 8],
  stages: [
    { layers: [...conv(6), { type: "maxPool" }], head },
    {
      layers: [
        { type: "residual", layers: conv(6) },
        { type: "dropout", rate: 0.5 },
      ],
      head,
    },
    {
      layers: [{ type: "separable", channels: 8, stride: 2 }],
      head: [{ type: "globalMaxPool" }, { type: "batchNorm" }, { type: "linear", features: "classes" }],
    },
  ],
});

const drawn = blueprintNetwork({
  blueprint,
  weights: randomWeights(blueprint, CLASSES.length, 21),
  classes: CLASSES,
  normalisation: { mean: [0.5, 0.4], std: [0.25, 0.3] },
  provenance: {
    dataset: { name: "waves", sha256: { train: "aa", validation: "bb", test: "cc" } },
    seed: 7,
    version: "0.1.0",
    recipe: parseRecipe({ averageDecay: 0.9, exitWeights: { start: [1, 0, 0], end: [0, 0.5, 1] } }),
  },
});

/** Random weights, but every logit with mean 0 and deviation 2: all classes are answered, with any confidence. */
export const network = blueprintNetwork({ ...drawn, weights: await balancedWeights() });

async function balancedWeights(): Promise<Map<string, NamedArray>> {
  const classes = CLASSES.length;
  const samples = createSamples(wavyPixels(100, 1), new Uint16Array(100));
  const { logits } = await computeExitTable(createNodeRuntime({ threads: 1 }), drawn, samples);
  const result = new Map(drawn.weights);
  for (const [exit, { head }] of blueprint.stages.entries()) {
    const path = `stages.${exit}.head.${head.length - 1}`;
    const [weight, bias] = [result.get(`${path}.weight`)!, result.get(`${path}.bias`)!];
    const moments = CLASSES.map((_, k) => {
      const column = logits.filter((_, i) => i % (EXITS * classes) === exit * classes + k);
      const mean = column.reduce((a, b) => a + b) / column.length;
      return { mean, factor: 2 / Math.sqrt(column.reduce((sum, one) => sum + (one - mean) ** 2, 0) / column.length) };
    });
    const inputs = weight.shape[1]!;
    const scaled = weight.data.map((value, i) => value * moments[Math.floor(i / inputs)]!.factor);
    result.set(`${path}.weight`, { shape: weight.shape, data: scaled });
    const centered = bias.data.map((value, k) => (value - moments[k]!.mean) * moments[k]!.factor);
    result.set(`${path}.bias`, { shape: bias.shape, data: centered });
  }
  return result;
}

/** `biases` of continue and exit are added to a random Q-network. */
export function handMadeAgent({ biases = [0, 0], dueling = false, scale = 1, seed = 1 } = {}): Agent {
  const hidden = [8, 6];
  const random = seededRandom(seed);
  const inputs = stateWidth(EXITS, CLASSES.length) + 1;
  const drawn = [...initialQWeights({ inputs, hidden, dueling }, seed)].map(([name, { shape, data }]) => {
    const isLast = name === "actions.bias" || name === "advantage.bias";
    return [
      name,
      { shape, data: data.map((value, i) => scale * (value + 0.3 * normal(random)) + (isLast ? biases[i]! : 0)) },
    ] as const;
  });
  return {
    weights: new Map(drawn),
    hidden,
    dueling,
    exits: EXITS,
    classes: CLASSES.length,
    temperatures: [1.5, 0.8, 2],
    priorWeights: [0, 0.3, 0.6],
    lambdaRange: { from: 0.01, to: 1 },
  };
}

export function policyOf(agent: Agent): LearnedPolicy {
  const random = seededRandom(99);
  const count = 5;
  return {
    agent,
    costs: exitCosts(network, agent),
    lambda: 0.1,
    calibration: [
      { lambda: 0.01, accuracy: 0.9, meanMacs: 1234.5, savings: 0.1, exitShares: [0.1, 0.2, 0.7] },
      { lambda: 1, accuracy: 0.7, meanMacs: 1000 / 3, savings: 0.5, exitShares: [0.8, 0.1, 0.1] },
    ],
    validation: {
      logits: Float32Array.from({ length: count * EXITS * CLASSES.length }, () => normal(random)),
      labels: Uint16Array.of(0, 1, 2, 3, 0),
      count,
      exits: EXITS,
      classes: CLASSES.length,
    },
  };
}

export function modelOf(agent: Agent): Model & { readonly policy: LearnedPolicy } {
  return { network, policy: policyOf(agent) };
}

/** [N, C, H, W] bytes: each channel one shade with a wave over it, so that images differ as a whole. */
export function wavyPixels(count: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from(
    Array.from({ length: count * 2 }, () => {
      const [shade, height] = [integer(random, 40, 215), integer(random, 0, 40)];
      const [across, down] = [3 * uniform(random), 3 * uniform(random)];
      return Array.from(
        { length: 64 },
        (_, i) => shade + height * Math.sin(across * (i % 8) + down * Math.floor(i / 8)),
      );
    }).flat(),
  );
}

/** A dataset for the small network whose parts are all the same images. */
export function wavyData(samples: Samples): Dataset {
  return { name: "waves", imageShape: [2, 8, 8], classes: CLASSES, train: samples, validation: samples, test: samples };
}
