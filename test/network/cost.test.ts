import { describe, expect, test } from "vitest";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { blueprintNames, builtInBlueprint } from "../../src/network/blueprints.ts";
import { blueprintStages, networkCost } from "../../src/network/cost.ts";

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const upTo = (values: readonly number[]): number[] => values.map((_, k) => sum(values.slice(0, k + 1)));

describe("classic is the published network", () => {
  const channels = [64, 128, 256, 512];
  const hidden = [128, 256, 512, 1024];
  const inputs = (k: number): number => channels[k - 1] ?? 3;
  // two 3x3 convolutions on maps of 32, 16, 8 and 4
  const stageMacs = channels.map((c, k) => (32 >> k) ** 2 * 9 * (inputs(k) * c + c * c));
  const headMacs = channels.map((c, k) => c * hidden[k]! + hidden[k]! * 10);
  // weights, biases, gamma and beta of both convolutions; linear, gamma and beta, linear
  const parameters = channels.map((c, k) => {
    const h = hidden[k]!;
    return 9 * (inputs(k) * c + c * c) + 2 * c + 4 * c + (c * h + h) + 2 * h + (h * 10 + 10);
  });
  const blueprint = builtInBlueprint("classic");
  const cost = networkCost(blueprintStages(blueprint, 10));

  test("its stages cost 39.5, 96.1, 152.8 and 209.4 M MACs", () => {
    expect(cost.backboneMacs).toEqual(upTo(stageMacs));
    expect(cost.backboneMacs.map((macs) => (macs / 1e6).toFixed(1))).toEqual(["39.5", "96.1", "152.8", "209.4"]);
  });

  test("an exit costs its stages and all heads on the way, the full network its last head alone", () => {
    expect(cost.exitMacs).toEqual(upTo(stageMacs.map((macs, k) => macs + headMacs[k]!)));
    expect(cost.fullMacs).toBe(sum(stageMacs) + headMacs[3]!);
  });

  test("it has 5,410,536 parameters", () => {
    expect(cost.parameters).toEqual(upTo(parameters));
    expect(cost.parameters[3]).toBe(5_410_536);
    expect(cost.bytes).toEqual(cost.parameters.map((count) => 4 * count));
  });

  test("its layers stand in the published order", () => {
    const conv = (c: number) => [{ type: "conv", channels: c, bias: true }, { type: "batchNorm" }, { type: "relu" }];
    const channelDropout = [0, 0.3, 0.4, 0.5];
    const headDropout = [0, 0.4, 0.5, 0.5];
    const some = (layer: { type: string; rate: number; whole?: string }) => (layer.rate > 0 ? [layer] : []);
    const stages = channels.map((c, k) => ({
      layers: [
        ...conv(c),
        ...some({ type: "dropout", rate: channelDropout[k]!, whole: "channels" }),
        ...conv(c),
        { type: "maxPool" },
      ],
      head: [
        { type: "globalAveragePool" },
        { type: "linear", features: hidden[k]! },
        { type: "relu" },
        { type: "batchNorm" },
        ...some({ type: "dropout", rate: headDropout[k]! }),
        { type: "linear", features: "classes" },
      ],
    }));
    expect(blueprint).toEqual({ name: "classic", input: [3, 32, 32], stages });
  });
});

test("every kind of layer costs what it costs by hand", () => {
  const blueprint = parseBlueprint({
    name: "by hand",
    input: [4, 8, 8],
    stages: [
      {
        layers: [
          { type: "batchNorm" }, // 0 MACs, 2 * 4 parameters
          { type: "conv", channels: 8, stride: 2 }, // 16 * 8 * 36 MACs, 288
          { type: "conv", channels: 8, groups: 2, bias: true }, // 16 * 8 * 36, each sees 4 of 8 channels; 288 + 8
          {
            type: "residual",
            layers: [
              { type: "depthwiseConv", bias: true }, // 16 * 8 * 9, 72 + 8
              { type: "batchNorm" }, // 0, 16
              { type: "silu" },
              { type: "conv", channels: 8, kernel: 1 }, // 16 * 8 * 8, 64
            ],
            shortcut: [{ type: "conv", channels: 8, kernel: 1 }], // 16 * 8 * 8, 64
          },
          { type: "dropout", rate: 0.2 },
        ],
        head: [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }], // 24, 24 + 3
      },
      {
        layers: [
          { type: "separable", channels: 16, stride: 2 }, // 4 * 8 * 9 + 4 * 16 * 8, 72 + 16 + 128 + 32
          {
            type: "parallel",
            branches: [
              [{ type: "conv", channels: 4, kernel: 1 }], // 4 * 4 * 16, 64
              [{ type: "depthwiseConv" }], // 4 * 16 * 9, 144
              [],
            ],
          }, // 4 + 16 + 16 channels
        ],
        head: [
          { type: "averagePool" },
          { type: "parallel", branches: [[{ type: "globalAveragePool" }], [{ type: "globalMaxPool" }]] },
          { type: "linear", features: 5, bias: false }, // 72 * 5, 360
          { type: "gelu" },
          { type: "linear", features: "classes" }, // 15, 15 + 3
        ],
      },
    ],
  });
  const stages = [16 * 8 * 36 + 16 * 8 * 36 + 16 * 8 * 9 + 16 * 64 + 16 * 64, 4 * 8 * 9 + 4 * 128 + 4 * 64 + 4 * 144];
  const parameters = [8 + 288 + 296 + 80 + 16 + 64 + 64 + 27, 72 + 16 + 128 + 32 + 64 + 144 + 360 + 18];
  expect(networkCost(blueprintStages(blueprint, 3))).toEqual({
    backboneMacs: upTo(stages),
    exitMacs: [stages[0]! + 24, sum(stages) + 24 + 375],
    fullMacs: sum(stages) + 375,
    parameters: upTo(parameters),
    bytes: upTo(parameters).map((count) => 4 * count),
  });
});

test("a compact network decides early: exit 1 of 4 costs less than a fifth", () => {
  const { exitMacs } = networkCost(blueprintStages(builtInBlueprint("compact"), 10));
  expect(exitMacs).toHaveLength(4);
  expect(exitMacs[0]!).toBeLessThan(exitMacs[3]! / 5);
});

test.each(blueprintNames)("each exit of %s costs more than the one before, also for 2 and 100 classes", (name) => {
  for (const classes of [2, 100]) {
    const { exitMacs, parameters, fullMacs } = networkCost(blueprintStages(builtInBlueprint(name), classes));
    for (let k = 1; k < exitMacs.length; k++) {
      expect(exitMacs[k]!).toBeGreaterThan(exitMacs[k - 1]!);
      expect(parameters[k]!).toBeGreaterThan(parameters[k - 1]!);
    }
    expect(fullMacs).toBeLessThan(exitMacs.at(-1)!);
  }
});

test("batch norm is not counted, on large maps and on small ones", () => {
  const stage = (size: number) =>
    networkCost(
      blueprintStages(
        parseBlueprint({
          name: "norm",
          input: [5, size, size],
          stages: [0, 1].map(() => ({ layers: [{ type: "batchNorm" }], head: [{ type: "globalAveragePool" }] })),
        }),
        5,
      ),
    ).exitMacs;
  expect(stage(32)).toEqual([0, 0]);
  expect(stage(2)).toEqual([0, 0]);
});
