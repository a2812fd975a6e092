import { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { OPSET } from "../../src/graph/older-opset.ts";
import type { Node, Tensor } from "../../src/graph/onnx_pb.ts";
import { modelBytes } from "../../src/onnx/onnx-file.ts";
import { prepare } from "../../src/onnx/prepare.ts";
import { CHANGES } from "../../src/onnx/upgrade.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { onnxFile, op, storedFloats, storedIntegers } from "./files.ts";

interface Case {
  readonly operators: string;
  readonly below: number;
  readonly opset: number;
  readonly dims: readonly number[];
  readonly nodes: readonly Node[];
  readonly constants?: readonly Tensor[];
}

const maps = [4, 6, 5]; // without the batch
const ofAttributes = (name: string, attributes: Parameters<typeof op>[3]) => [op(name, ["x"], "y", attributes)];
const batchNorm = (name: string) => [
  op("BatchNormalization", ["x", "g", "b", "m", "v"], "y", name ? { [name]: 1 } : {}),
];
const four = (name: string, values: number[]): Tensor => storedFloats(name, values);
const moments = [four("g", [1, 2, 3, 4]), four("b", [0, 1, 0, 1]), four("m", [0, 0.5, 1, 0]), four("v", [1, 2, 1, 3])];

/** One case and more for each line of the table. */
const cases: readonly Case[] = [
  { operators: "BatchNormalization", below: 9, opset: 7, dims: maps, nodes: batchNorm("spatial"), constants: moments },
  { operators: "BatchNormalization", below: 14, opset: 9, dims: maps, nodes: batchNorm(""), constants: moments },
  {
    operators: "Upsample",
    below: 9,
    opset: 8,
    dims: maps,
    nodes: ofAttributes("Upsample", { mode: "nearest", scales: { floats: [1, 1, 2, 2] } }),
  },
  {
    operators: "Upsample",
    below: 10,
    opset: 9,
    dims: maps,
    nodes: [op("Upsample", ["x", "s"], "y", { mode: "linear" })],
    constants: [storedFloats("s", [1, 1, 2, 1.5])],
  },
  {
    operators: "Resize",
    below: 11,
    opset: 10,
    dims: maps,
    nodes: [op("Resize", ["x", "s"], "y", { mode: "nearest" })],
    constants: [storedFloats("s", [1, 1, 0.5, 2])],
  },
  {
    operators: "Slice",
    below: 10,
    opset: 9,
    dims: maps,
    nodes: ofAttributes("Slice", { starts: [1, 0], ends: [3, -1], axes: [1, 3] }),
  },
  { operators: "TopK", below: 10, opset: 9, dims: [7], nodes: [op("TopK", ["x"], ["y", "i"], { k: 3 })] },
  {
    operators: "Clip",
    below: 11,
    opset: 10,
    dims: maps,
    nodes: ofAttributes("Clip", { min: { float: 0 }, max: { float: 0.7 } }),
  },
  { operators: "Clip", below: 11, opset: 7, dims: maps, nodes: ofAttributes("Clip", { max: { float: 0.2 } }) },
  {
    operators: "Pad",
    below: 11,
    opset: 10,
    dims: maps,
    nodes: ofAttributes("Pad", { pads: [0, 1, 0, 2, 0, 0, 1, 0], value: { float: 0.5 } }),
  },
  {
    operators: "Pad",
    below: 11,
    opset: 9,
    dims: maps,
    nodes: ofAttributes("Pad", { pads: [0, 0, 1, 1, 0, 0, 1, 2], mode: "reflect" }),
  },
  {
    operators: "Scatter",
    below: 11,
    opset: 9,
    dims: [3],
    nodes: [op("Identity", ["x"], "i0"), op("Scatter", ["i0", "at", "new"], "y", { axis: 1 })],
    constants: [storedIntegers("at", [2], [1, 1]), storedFloats("new", [9], [1, 1])],
  },
  { operators: "Squeeze", below: 13, opset: 12, dims: [1, 5], nodes: ofAttributes("Squeeze", { axes: [1] }) },
  { operators: "Unsqueeze", below: 13, opset: 12, dims: [5], nodes: ofAttributes("Unsqueeze", { axes: [1, 3] }) },
  {
    operators: "ReduceSum",
    below: 13,
    opset: 12,
    dims: maps,
    nodes: ofAttributes("ReduceSum", { axes: [2, 3], keepdims: 0 }),
  },
  {
    operators: "Split",
    below: 13,
    opset: 12,
    dims: [5],
    nodes: [op("Split", ["x"], ["y", "z"], { split: [2, 3], axis: 1 })],
  },
  { operators: "Split", below: 18, opset: 13, dims: [6], nodes: [op("Split", ["x"], ["y", "z"], { axis: 1 })] },
  { operators: "Split", below: 18, opset: 12, dims: [6], nodes: [op("Split", ["x"], ["y", "z"], { axis: 1 })] },
  ...["Softmax", "LogSoftmax", "Hardmax"].flatMap((name): Case[] => [
    { operators: name, below: 13, opset: 12, dims: maps, nodes: ofAttributes(name, {}) },
    { operators: name, below: 13, opset: 9, dims: [4, 1, 1], nodes: ofAttributes(name, {}) },
    { operators: name, below: 13, opset: 12, dims: maps, nodes: ofAttributes(name, { axis: 2 }) },
    { operators: name, below: 13, opset: 12, dims: [9], nodes: ofAttributes(name, { axis: -1 }) },
  ]),
  ..."L1 L2 LogSum LogSumExp Max Mean Min Prod SumSquare".split(" ").map(
    (name): Case => ({
      operators: `Reduce${name}`,
      below: 18,
      opset: 13,
      dims: maps,
      nodes: [op("Abs", ["x"], "a0"), op(`Reduce${name}`, ["a0"], "y", { axes: [-1, 2], keepdims: 1 })],
    }),
  ),
];

test("each line of the table has its case", () => {
  const missing = CHANGES.flatMap(({ operators, below }) => operators.map((name) => `${name} below ${below}`)).filter(
    (line) => !cases.some(({ operators, below }) => `${operators} below ${below}` === line),
  );
  expect(missing).toEqual([]);
});

test.each(cases)(
  "$operators below $below, from opset $opset with $dims: the same numbers as the original",
  async (one) => {
    const { opset, dims, nodes, constants = [] } = one;
    // a softmax at the very end would be taken out
    const file = onnxFile({
      opset,
      inputs: [["x", ["batch", ...dims]]],
      outputs: ["end"],
      nodes: [...nodes, op("Neg", ["y"], "end")],
      constants,
    });
    const original = await InferenceSession.create(file);
    const { graph } = await prepare(file, { runtime: createNodeRuntime({ threads: 1 }), where: "test" });
    expect(graph.opsets.get("")).toBe(OPSET);
    const rewritten = await InferenceSession.create(modelBytes(graph, ["end"]));
    const random = seededRandom(7);
    const shape = [3, ...dims];
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => normal(random));
    const feeds = { x: new RuntimeTensor("float32", data, shape) };
    const [before, after] = [(await original.run(feeds)).end!, (await rewritten.run(feeds)).end!];
    expect(after.dims).toEqual(before.dims);
    expect(after.data).toEqual(before.data);
    expect(new Set(before.data as Float32Array).size).toBeGreaterThan(1);
  },
);
