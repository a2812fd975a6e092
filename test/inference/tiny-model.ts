/** The built-in `tiny` network with random weights and an agent made by hand whose exits are mixed: it reads RGB pictures. */
import { SHAPE_CLASSES } from "../../src/dataset/shape-drawing.ts";
import { FEATURE, featureColumn, stateWidth } from "../../src/exits/observation.ts";
import type { Model } from "../../src/model/model.ts";
import { blueprintNetwork } from "../../src/network/blueprint-network.ts";
import { builtInBlueprint } from "../../src/network/blueprints.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import type { LearnedPolicy } from "../../src/policy/learned-policy.ts";
import { integer, seededRandom } from "../../src/random.ts";
import { parseRecipe } from "../../src/training/recipe.ts";
import { randomWeights } from "../network/small.ts";

const blueprint = builtInBlueprint("tiny");
export const TINY_EXITS = blueprint.stages.length;
export const TINY_SIDE = 32;

/** It leaves at exit k if the confidences so far add up to the k-th of these: about half of the waves below. */
const ENOUGH = [0.435, 0.715, 1.395];

export function tinyModel(): Model & { readonly policy: LearnedPolicy } {
  const classes = SHAPE_CLASSES.length;
  const inputs = stateWidth(TINY_EXITS, classes) + 1;
  const hidden = new Float32Array(inputs);
  for (let exit = 0; exit < TINY_EXITS; exit++) {
    hidden[exit] = -(ENOUGH[exit] ?? 0);
    hidden[featureColumn(TINY_EXITS, classes, exit) + FEATURE.confidence] = 1;
  }
  const agent: Agent = {
    // q of continue is 10, q of exit is 10 + sum of confidences - enough
    weights: new Map([
      ["hidden.0.weight", { shape: [1, inputs], data: hidden }],
      ["hidden.0.bias", { shape: [1], data: Float32Array.of(10) }],
      ["actions.weight", { shape: [2, 1], data: Float32Array.of(0, 1) }],
      ["actions.bias", { shape: [2], data: Float32Array.of(10, 0) }],
    ]),
    hidden: [1],
    dueling: false,
    exits: TINY_EXITS,
    classes,
    temperatures: [1, 1, 1, 1],
    priorWeights: [0, 0.1, 0.2, 0.3],
    lambdaRange: { from: 0.01, to: 1 },
  };
  const network = blueprintNetwork({
    blueprint,
    weights: randomWeights(blueprint, classes, 5),
    classes: SHAPE_CLASSES,
    normalisation: { mean: [0.5, 0.45, 0.4], std: [0.25, 0.3, 0.35] },
    provenance: { dataset: { name: "shapes", sha256: {} }, seed: 1, version: "0.1.0", recipe: parseRecipe({}) },
  });
  const costs = exitCosts(network, agent);
  const shares = (exit: number): number[] => costs.exitMacs.map((_, k) => Number(k === exit));
  const calibration = [0.01, 0.1, 1].map((lambda, i) => {
    const meanMacs = costs.exitMacs[2 - i]!;
    return {
      lambda,
      accuracy: 0.9 - 0.1 * i,
      meanMacs,
      savings: 1 - meanMacs / costs.fullMacs,
      exitShares: shares(2 - i),
    };
  });
  return {
    network,
    policy: {
      agent,
      costs,
      lambda: 0.1,
      calibration,
      validation: {
        logits: new Float32Array(TINY_EXITS * classes),
        labels: Uint16Array.of(0),
        count: 1,
        exits: TINY_EXITS,
        classes,
      },
    },
  };
}

/** An RGBA picture of soft waves, opaque. */
export function wavyPicture(width: number, height: number, seed: number) {
  const random = seededRandom(seed);
  const waves = Array.from({ length: 3 }, () => [
    integer(random, 60, 190),
    integer(random, 0, 60),
    integer(random, 1, 9),
  ]);
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 4; c++) {
        const [shade, size, speed] = waves[c] ?? [255, 0, 0];
        data[(y * width + x) * 4 + c] = shade! + size! * Math.sin((speed! * (x + 2 * y)) / width);
      }
  return { data, width, height };
}
