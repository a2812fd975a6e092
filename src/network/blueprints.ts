/**
 * The built-in networks. Each is a function of the pictures' shape: larger pictures are halved by strides and pools at the very
 * front, where channels are few, until the side is at most 56; from there on the layers are those of 32x32, so that each exit keeps
 * its share of the cost. A new network is a function here and a line in `ALL`.
 */
import type { ImageShape } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { type Blueprint, type BlueprintInput, type LayerInput, parseBlueprint } from "./blueprint.ts";

/** Largest side that a network sees whole. */
const WHOLE = 56;
/** Every network halves its maps three or four times. */
const SMALLEST = 16;
const LARGEST = 224;

/** How often pictures are halved before a network's own layers: 0 up to 56 pixels, 1 up to 112, 2 up to 224. */
function halvings([, height, width]: ImageShape): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(height, width) / WHOLE)));
}

type Stage = BlueprintInput["stages"][number];
type Activation = "relu" | "gelu";

function conv(channels: number, stride: 1 | 2 = 1, activation: Activation = "relu"): LayerInput[] {
  return [{ type: "conv", channels, stride }, { type: "batchNorm" }, { type: activation }];
}

/** Average and largest value of every channel, side by side. */
const poolBoth: LayerInput = {
  type: "parallel",
  branches: [[{ type: "globalAveragePool" }], [{ type: "globalMaxPool" }]],
};

/** Early features say little about classes by themselves: a head that convolves on sees more than one that only pools. */
function head(channels: readonly number[], activation: Activation = "gelu"): LayerInput[] {
  return [
    ...channels.flatMap((one): LayerInput[] => [{ type: "maxPool" }, ...conv(one, 1, activation)]),
    poolBoth,
    { type: "linear", features: "classes" },
  ];
}

// ---- The published network -----------------------------------------------------------------------------------------------

/** Four blocks of two 3x3 convolutions, biases before batch norm and all. @param strides of the two */
function classicStage(
  channels: number,
  channelDropout: number,
  hidden: number,
  headDropout: number,
  strides: readonly [1 | 2, 1 | 2] = [1, 1],
): Stage {
  const conv = (stride: 1 | 2): LayerInput[] => [
    { type: "conv", channels, bias: true, ...(stride === 1 ? {} : { stride }) },
    { type: "batchNorm" },
    { type: "relu" },
  ];
  const between: LayerInput[] = channelDropout ? [{ type: "dropout", rate: channelDropout, whole: "channels" }] : [];
  const dropout: LayerInput[] = headDropout ? [{ type: "dropout", rate: headDropout }] : [];
  return {
    layers: [...conv(strides[0]), ...between, ...conv(strides[1]), { type: "maxPool" }],
    head: [
      { type: "globalAveragePool" },
      { type: "linear", features: hidden },
      { type: "relu" },
      { type: "batchNorm" },
      ...dropout,
      { type: "linear", features: "classes" },
    ],
  };
}

/**
 * The network of the published experiment, at 32x32 exactly: costs without heads 39.5, 96.1, 152.8 and 209.4 M MACs; 5,410,536
 * parameters. For larger pictures the first convolutions get strides.
 */
function classic(shape: ImageShape): BlueprintInput {
  const times = halvings(shape);
  return {
    name: "classic",
    input: [...shape],
    stages: [
      classicStage(64, 0, 128, 0, [times > 0 ? 2 : 1, times > 1 ? 2 : 1]),
      classicStage(128, 0.3, 256, 0.4),
      classicStage(256, 0.4, 512, 0.5),
      classicStage(512, 0.5, 1024, 0.5),
    ],
  };
}

// ---- Ours ----------------------------------------------------------------------------------------------------------------

/** The largest of four neighbours, before batch norm and activation: these then work on a quarter of the map. */
function convThenPool(channels: number): LayerInput[] {
  return [{ type: "conv", channels }, { type: "maxPool" }, { type: "batchNorm" }, { type: "gelu" }];
}

/** gelu(x + conv(x)) */
function residualConv(channels: number): LayerInput[] {
  return [{ type: "residual", layers: [{ type: "conv", channels }, { type: "batchNorm" }] }, { type: "gelu" }];
}

/**
 * Accuracy for little. Every pixel is seen, by few channels: 16 whitened filters and 48 channels, then a pool. Early heads
 * see enough, later ones only pool; more than half of the network works on 8x8 maps. Without heads 7.5, 42.9, 64.1 and 123.1 M MACs.
 * Larger pictures are halved by the whitened filters, above 112 pixels by a convolution as well.
 */
function compact(shape: ImageShape): BlueprintInput {
  const times = halvings(shape);
  const whitening: LayerInput[] = [{ type: "whitening", channels: 16, stride: times > 0 ? 2 : 1 }, { type: "gelu" }];
  return {
    name: "compact",
    input: [...shape],
    stages: [
      { layers: [...whitening, ...(times > 1 ? conv(16, 2, "gelu") : []), ...convThenPool(48)], head: head([96, 128]) },
      { layers: [...conv(64, 1, "gelu"), ...convThenPool(192)], head: head([128]) },
      { layers: residualConv(192), head: head([]) },
      { layers: [...residualConv(192), ...convThenPool(256), ...residualConv(256)], head: head([]) },
    ],
  };
}

/** For small images that need little: the built-in synthetic set, a first try, a browser. Larger pictures are averaged first. */
function tiny(shape: ImageShape): BlueprintInput {
  const times = halvings(shape);
  const smaller: LayerInput[] = times > 0 ? [{ type: "averagePool", size: 2 ** times }] : [];
  const last: LayerInput[] = [poolBoth, { type: "linear", features: "classes" }];
  return {
    name: "tiny",
    input: [...shape],
    stages: [
      { layers: [...smaller, ...conv(16, 2)], head: [...conv(16, 2), ...last] },
      { layers: conv(32), head: [...conv(32, 2), ...last] },
      { layers: [...conv(64, 2), ...basicBlock(64)], head: last },
      { layers: [...basicBlock(64), ...conv(128, 2), ...basicBlock(128)], head: last },
    ],
  };
}

// ---- After others --------------------------------------------------------------------------------------------------------

/** relu(shortcut(x) + conv(relu(conv(x)))). @param widens whether the maps are halved and get `channels` from fewer */
function basicBlock(channels: number, widens = false): LayerInput[] {
  const stride = widens ? 2 : 1;
  const layers: LayerInput[] = [...conv(channels, stride), { type: "conv", channels }, { type: "batchNorm" }];
  const shortcut: LayerInput[] = [{ type: "conv", channels, kernel: 1, stride: 2 }, { type: "batchNorm" }];
  return [{ type: "residual", layers, ...(widens ? { shortcut } : {}) }, { type: "relu" }];
}

/**
 * ResNet-18 with half of its channels: four groups of two basic blocks, an exit after each group.
 *
 * @see He et al., "Deep residual learning for image recognition" (CVPR 2016), table 1; 3x3 convolutions with stride 2 stand for
 *   its first 7x7 convolution and pool, without strides at 32x32 (as in its section 4.2), and the first two heads convolve
 */
function resnet(shape: ImageShape): BlueprintInput {
  const times = halvings(shape);
  const stem = [...(times > 1 ? conv(16, 2) : []), ...conv(32, times > 0 ? 2 : 1)];
  const group = (channels: number, heads: readonly number[]): Stage => ({
    layers: [...basicBlock(channels, true), ...basicBlock(channels)],
    head: head(heads, "relu"),
  });
  return {
    name: "resnet",
    input: [...shape],
    stages: [
      {
        layers: [...stem, ...basicBlock(32), ...basicBlock(32)],
        head: head([64, 128], "relu"),
      },
      group(64, [128]),
      group(128, []),
      group(256, []),
    ],
  };
}

function separable(channels: number, stride: 1 | 2 = 1): LayerInput[] {
  return [{ type: "separable", channels, stride }, { type: "relu" }];
}

/**
 * MobileNet: depthwise separable convolutions, with half of the channels of the original and one 512-wide layer less.
 *
 * @see Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications" (2017), table 1;
 *   the first strides fall away where pictures are small, and exits stand where the maps are halved
 */
function mobile(shape: ImageShape): BlueprintInput {
  const times = halvings(shape);
  const stem = [...conv(16, times > 0 ? 2 : 1), ...(times > 1 ? separable(16, 2) : [])];
  const wide = [...separable(256), ...separable(256)];
  return {
    name: "mobile",
    input: [...shape],
    stages: [
      {
        layers: [...stem, ...separable(32), ...separable(64, 2)],
        head: [...separable(128, 2), poolBoth, { type: "linear", features: "classes" }],
      },
      {
        layers: [...separable(64), ...separable(128, 2), ...separable(128)],
        head: [...separable(256, 2), poolBoth, { type: "linear", features: "classes" }],
      },
      { layers: [...separable(256, 2), ...wide], head: [poolBoth, { type: "linear", features: "classes" }] },
      {
        layers: [...wide, ...separable(512, 2), ...separable(512)],
        head: [poolBoth, { type: "linear", features: "classes" }],
      },
    ],
  };
}

const ALL: Readonly<Record<string, (shape: ImageShape) => BlueprintInput>> = { classic, compact, tiny, resnet, mobile };

export const blueprintNames: readonly string[] = Object.keys(ALL);

/**
 * A built-in network for pictures of a shape.
 *
 * @param shape [C, H, W], H and W 16 to 1024; default 3x32x32
 * @throws {UserError} if there is no such blueprint, or pictures of that shape are too small or too large for it
 */
export function builtInBlueprint(name: string, shape: ImageShape = [3, 32, 32]): Blueprint {
  const make = ALL[name];
  if (!make)
    throw new UserError(
      `blueprint: ${blueprintNames.join(", ")} or a JSON file expected, found ${name}; choose one of them`,
    );
  const [channels, ...sides] = shape;
  if (![1, 3].includes(channels) || sides.some((side) => !(side >= SMALLEST && side <= LARGEST)))
    throw new UserError(
      `blueprint ${name}: pictures of 1 or 3 channels and ${SMALLEST} to ${LARGEST} pixels a side expected, ` +
        `found ${shape.join("x")}; give another --size`,
    );
  return parseBlueprint(make(shape), name);
}
