import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { blueprintNames, builtInBlueprint } from "../../src/network/blueprints.ts";
import { blueprintStages } from "../../src/network/cost.ts";
import { HEAD, stack } from "./small.ts";

const stage = { layers: [{ type: "conv", channels: 4 }], head: HEAD };
const network = (...stages: unknown[]) => ({ name: "mine", input: [3, 8, 8], stages });
const withLayer = (layer: unknown) => network(stage, { layers: [{ type: "relu" }, layer], head: HEAD });

describe("what a person writes", () => {
  test("separable is short for five layers, also inside of others", () => {
    const expanded = (channels: number, stride: number, activation: string) => [
      { type: "depthwiseConv", stride },
      { type: "batchNorm" },
      { type: activation },
      { type: "conv", channels, kernel: 1 },
      { type: "batchNorm" },
    ];
    const { stages } = stack(
      [3, 8, 8],
      [{ type: "separable", channels: 6 }],
      [
        { type: "residual", layers: [{ type: "separable", channels: 6, activation: "gelu" }] },
        { type: "parallel", branches: [[{ type: "separable", channels: 2, stride: 2 }]] },
      ],
    );
    expect(stages[0]!.layers).toEqual(expanded(6, 1, "relu"));
    expect(stages[1]!.layers).toEqual([
      { type: "residual", layers: expanded(6, 1, "gelu") },
      { type: "parallel", branches: [expanded(2, 2, "relu")] },
    ]);
  });

  test("what was parsed may be parsed again: a stored blueprint stays as it is", () => {
    for (const name of blueprintNames) {
      const blueprint = builtInBlueprint(name);
      expect(parseBlueprint(JSON.parse(JSON.stringify(blueprint)))).toEqual(blueprint);
      expect(blueprint.name).toBe(name);
    }
  });

  test.each([
    ["one stage", network(stage), "stages: Too small: expected array to have >=2 items"],
    ["nine stages", network(...Array(9).fill(stage)), "stages: Too big: expected array to have <=8 items"],
    ["an unknown layer", withLayer({ type: "convolution", channels: 4 }), "stages.1.layers.1.type: "],
    [
      "a misspelt field",
      withLayer({ type: "conv", channels: 4, strides: 2 }),
      'stages.1.layers.1: Unrecognized key: "strides"',
    ],
    [
      "a missing field",
      withLayer({ type: "conv", chanels: 4 }),
      "stages.1.layers.1.channels: Invalid input: expected number, received undefined",
    ],
    ["half a channel", withLayer({ type: "conv", channels: 0.5 }), "stages.1.layers.1.channels: "],
    ["a kernel of 5", withLayer({ type: "conv", channels: 4, kernel: 5 }), "stages.1.layers.1.kernel: "],
    ["dropout of everything", withLayer({ type: "dropout", rate: 1 }), "stages.1.layers.1.rate: "],
    [
      "a mistake deep inside",
      withLayer({ type: "residual", layers: [{ type: "parallel", branches: [[{ type: "maxPool", size: 1 }]] }] }),
      "stages.1.layers.1.layers.0.branches.0.0.size: ",
    ],
    ["a flat image", { ...network(stage, stage), input: [8, 8] }, "input: Too small"],
    ["no object", 7, "the top: Invalid input: expected object, received number"],
  ])("%s is refused with its place", (_, data, message) => {
    expect(() => parseBlueprint(data, "net.json")).toThrow(UserError);
    expect(() => parseBlueprint(data, "net.json")).toThrow("net.json: a network of 2 to 8 stages expected, found at ");
    expect(() => parseBlueprint(data, "net.json")).toThrow(message);
  });

  test("an unknown name is refused with the names that there are", () => {
    expect(() => builtInBlueprint("vgg")).toThrow(UserError);
    expect(() => builtInBlueprint("vgg")).toThrow(
      `blueprint: ${blueprintNames.join(", ")} or a JSON file expected, found vgg`,
    );
  });
});

describe("layers that do not fit together are named", () => {
  test.each([
    ["stages.1.layers.1: conv2d: ", { type: "conv", channels: 6, groups: 3 }, "in 3 groups expects 3 input channels"],
    ["stages.1.layers.1: conv2d: ", { type: "conv", channels: 3, groups: 2 }, "multiple of 2 output channels"],
    ["stages.1.layers.1: maxPool: ", { type: "maxPool", size: 9 }, "[1, 4, 8, 8]"], // after a relu, where the order changes
    ["stages.1.layers.1: averagePool: ", { type: "averagePool", size: 9 }, "at least 9"],
    ["stages.1.layers.1: linear: ", { type: "linear", features: 2 }, "found [1, 4, 8, 8]"],
    [
      "stages.1.layers.1: residual: ",
      { type: "residual", layers: [{ type: "conv", channels: 8 }] },
      "found [1, 8, 8, 8] and [1, 4, 8, 8]",
    ],
    // 1 channel would stretch to 4 without a word
    [
      "stages.1.layers.1: residual: ",
      { type: "residual", layers: [{ type: "conv", channels: 1 }] },
      "found [1, 1, 8, 8] and [1, 4, 8, 8]",
    ],
    [
      "stages.1.layers.1.branches.1.0: conv2d: ",
      { type: "parallel", branches: [[], [{ type: "conv", channels: 4, groups: 8 }]] },
      "in 8 groups",
    ],
    [
      "stages.1.layers.1: concat: ",
      { type: "parallel", branches: [[], [{ type: "conv", channels: 4, stride: 2 }]] },
      "[1, 4, 4, 4]",
    ],
    [
      "stages.1.layers.1.layers.0.shortcut.1: ",
      {
        type: "residual",
        layers: [
          {
            type: "residual",
            layers: [],
            shortcut: [
              { type: "dropout", rate: 0.5 },
              { type: "linear", features: 4 },
            ],
          },
        ],
      },
      "linear",
    ],
  ])("%s%j", (place, layer, detail) => {
    const blueprint = parseBlueprint(withLayer(layer));
    expect(() => blueprintStages(blueprint, 3)).toThrow(RangeError);
    expect(() => blueprintStages(blueprint, 3)).toThrow(detail);
    expect(() => blueprintStages(blueprint, 3)).toThrow(new RegExp(`^${place}`)); // the path once, in front
  });
});
