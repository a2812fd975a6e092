/** Where an addition is kept in ONNX Runtime's blocks, and that nothing is changed by it. */
import { describe, expect, test } from "vitest";
import { input, node, type Tensor } from "../../src/graph/tensor.ts";
import { blockedLayout } from "../../src/network/blocked-layout.ts";
import { pooledFeatures } from "../../src/network/head.ts";
import { Program } from "../../src/runtime/program.ts";
import { noise, runtime } from "./imported.ts";

const MAP = [1, 16, 6, 6] as const;

/** Builds one node as `buildPart` does. */
function builder() {
  const layout = blockedLayout();
  return (op: string, given: readonly Tensor[], shape = given[0]!.shape, attributes = {}): Tensor => {
    const { inputs, made } = layout(op, given);
    const built = node(op, inputs, attributes, shape);
    made([built]);
    return built;
  };
}

const opOf = ({ source }: Tensor): string => (source.kind === "node" ? source.operator : source.kind);
const opsBefore = ({ source }: Tensor): string[] =>
  source.kind === "node" ? source.inputs.map((one) => opOf(one!)) : [];
const weight = () => input("w", [16, 16, 3, 3]);
const around = { pads: [1, 1, 1, 1] };

describe("an addition after a convolution", () => {
  test("takes a map from outside through a maximum over single values; the next one needs none", () => {
    const build = builder();
    const map = input("x", MAP);
    const first = build("Add", [build("Conv", [map, weight()], MAP, around), map]);
    expect(opsBefore(first)).toEqual(["Conv", "MaxPool"]);
    const after = build("Relu", [first]);
    const second = build("Add", [build("Conv", [after, weight()], MAP, around), after]);
    expect(opsBefore(second)).toEqual(["Conv", "Relu"]);
  });

  test("takes what Pad gives so too", () => {
    const build = builder();
    const padded = build("Pad", [input("x", [1, 8, 6, 6])], MAP);
    expect(opsBefore(build("Add", [padded, build("Conv", [padded, weight()], MAP, around)]))).toEqual([
      "MaxPool",
      "Conv",
    ]);
  });

  test("is left as it is where channels do not fill a block, or nothing is a map", () => {
    const build = builder();
    const narrow = input("x", [1, 24, 6, 6]);
    const conv = build("Conv", [narrow, input("w", [24, 24, 1, 1])], narrow.shape);
    expect(opsBefore(build("Add", [conv, narrow]))).toEqual(["Conv", "input"]);
    const rows = [input("a", [4, 16]), input("b", [4, 16])];
    expect(opsBefore(build("Add", rows))).toEqual(["input", "input"]);
  });
});

test.each([
  [24, 8],
  [6, 8],
  [4, 10],
  [16, 8],
])(
  "fields of %i channels are means of a map of %i x %i, in the order of channels, rows and columns",
  async (channels, side) => {
    const map = noise(2 * channels * side * side);
    const program = await Program.compile(runtime, {
      outputs: { features: pooledFeatures(input("x", [2, channels, side, side]), 4) },
    });
    const { features } = await program.run({ x: map });
    await program.close();
    const [stride, kernel] = [Math.floor(side / 4), side - 3 * Math.floor(side / 4)];
    const expected = Array.from({ length: channels * 16 }, (_, at) => {
      const [channel, row, column] = [at >> 4, (at >> 2) & 3, at & 3];
      let sum = 0;
      for (let i = 0; i < kernel; i++)
        for (let j = 0; j < kernel; j++) sum += map[(channel * side + row * stride + i) * side + column * stride + j]!;
      return sum / kernel ** 2;
    });
    expected.forEach((value, at) => {
      expect(features![at]).toBeCloseTo(value, 5);
    });
  },
);
