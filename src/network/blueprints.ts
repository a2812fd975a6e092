import { UserError } from "../errors.ts";
import { type Blueprint, type BlueprintInput, type LayerInput, parseBlueprint } from "./blueprint.ts";

/** The published network: four blocks of two 3x3 convolutions, biases before batch norm and all. */
function classicStage(channels: number, channelDropout: number, hidden: number, headDropout: number) {
  const conv: LayerInput[] = [{ type: "conv", channels, bias: true }, { type: "batchNorm" }, { type: "relu" }];
  const between: LayerInput[] = channelDropout ? [{ type: "dropout", rate: channelDropout, whole: "channels" }] : [];
  const dropout: LayerInput[] = headDropout ? [{ type: "dropout", rate: headDropout }] : [];
  return {
    layers: [...conv, ...between, ...conv, { type: "maxPool" } as const],
    head: [
      { type: "globalAveragePool" },
      { type: "linear", features: hidden },
      { type: "relu" },
      { type: "batchNorm" },
      ...dropout,
      { type: "linear", features: "classes" },
    ] satisfies LayerInput[],
  };
}

/**
 * The network of the published experiment, exactly. Costs without heads 39.5, 96.1, 152.8 and 209.4 M MACs; 5,410,536 parameters.
 */
const classic: BlueprintInput = {
  name: "classic",
  input: [3, 32, 32],
  stages: [
    classicStage(64, 0, 128, 0),
    classicStage(128, 0.3, 256, 0.4),
    classicStage(256, 0.4, 512, 0.5),
    classicStage(512, 0.5, 1024, 0.5),
  ],
};

type Activation = "relu" | "gelu";

function conv(channels: number, stride: 1 | 2 = 1, activation: Activation = "relu"): LayerInput[] {
  return [{ type: "conv", channels, stride }, { type: "batchNorm" }, { type: activation }];
}

/** relu(x + conv(relu(conv(x)))), He et al. (2016) */
function residual(channels: number): LayerInput[] {
  const layers: LayerInput[] = [...conv(channels), { type: "conv", channels }, { type: "batchNorm" }];
  return [{ type: "residual", layers }, { type: "relu" }];
}

/** Average and largest value of every channel, side by side. */
const poolBoth: LayerInput = {
  type: "parallel",
  branches: [[{ type: "globalAveragePool" }], [{ type: "globalMaxPool" }]],
};

/** The largest of four neighbours, before batch norm and activation: these then work on a quarter of the map. */
function convThenPool(channels: number): LayerInput[] {
  return [{ type: "conv", channels }, { type: "maxPool" }, { type: "batchNorm" }, { type: "gelu" }];
}

/** gelu(x + conv(x)) */
function residualConv(channels: number): LayerInput[] {
  return [{ type: "residual", layers: [{ type: "conv", channels }, { type: "batchNorm" }] }, { type: "gelu" }];
}

/** Early features say little about classes by themselves: a head that convolves on sees more than one that only pools. */
function head(...channels: number[]): LayerInput[] {
  return [
    ...channels.flatMap((one): LayerInput[] => [{ type: "maxPool" }, ...conv(one, 1, "gelu")]),
    poolBoth,
    { type: "linear", features: "classes" },
  ];
}

/**
 * Ours: accuracy for little. Every pixel is seen, by few channels: 16 whitened filters and 48 channels, then a pool. Early heads
 * see enough, later ones only pool; more than half of the network works on 8x8 maps. Without heads 7.5, 42.9, 64.1 and 123.1 M MACs.
 */
const compact: BlueprintInput = {
  name: "compact",
  input: [3, 32, 32],
  stages: [
    {
      layers: [{ type: "whitening", channels: 16, stride: 1 }, { type: "gelu" }, ...convThenPool(48)],
      head: head(96, 128),
    },
    { layers: [...conv(64, 1, "gelu"), ...convThenPool(192)], head: head(128) },
    { layers: residualConv(192), head: head() },
    { layers: [...residualConv(192), ...convThenPool(256), ...residualConv(256)], head: head() },
  ],
};

/** For small images that need little: the built-in synthetic set, a first try, a browser. */
const tiny: BlueprintInput = {
  name: "tiny",
  input: [3, 32, 32],
  stages: [
    { layers: conv(16, 2), head: [...conv(16, 2), poolBoth, { type: "linear", features: "classes" }] },
    { layers: conv(32), head: [...conv(32, 2), poolBoth, { type: "linear", features: "classes" }] },
    { layers: [...conv(64, 2), ...residual(64)], head: [poolBoth, { type: "linear", features: "classes" }] },
    {
      layers: [...residual(64), ...conv(128, 2), ...residual(128)],
      head: [poolBoth, { type: "linear", features: "classes" }],
    },
  ],
};

const ALL = [classic, compact, tiny];

export const blueprintNames: readonly string[] = ALL.map(({ name }) => name);

/** @throws {UserError} if there is no such blueprint */
export function builtInBlueprint(name: string): Blueprint {
  const found = ALL.find((one) => one.name === name);
  if (!found)
    throw new UserError(
      `blueprint: ${blueprintNames.join(", ")} or a JSON file expected, found ${name}; choose one of them`,
    );
  return parseBlueprint(found, name);
}
