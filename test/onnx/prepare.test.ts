import { expect, test } from "vitest";
import { findCuts, totalMacs } from "../../src/onnx/cuts.ts";
import { prepare } from "../../src/onnx/prepare.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { type FileParts, onnxFile, op, smallParts, storedFloats, storedIntegers, weight } from "./files.ts";

const runtime = createNodeRuntime({ threads: 1 });
const prepared = (parts: FileParts) => prepare(onnxFile(parts), { runtime, where: "small.onnx" });

/** 3x3 convolutions of the small network, by hand: outputs x weights per output. */
const MACS = [64 * 8 * 27, 64 * 8 * 72, 16 * 12 * 72, 16 * 12 * 108, 10 * 12];
const total = MACS.reduce((sum, one) => sum + one);

test("a chain that computes a shape becomes a constant, and the blocks are its cuts", async () => {
  const network = await prepared(smallParts());
  expect(network.graph.nodes.map(({ opType }) => opType)).not.toContain("Shape");
  expect(network).toMatchObject({ main: "input", answer: "output", classes: 10, hadSoftmax: false });
  expect(network.tensors.get("c")).toEqual({ shape: [1, 12, 4, 4], type: "float32", batchAxis: 0 });
  expect(totalMacs(network)).toBe(total);
  const cuts = findCuts(network);
  expect(cuts.map(({ name }) => name)).toEqual(["a", "b", "relu3"]);
  expect(cuts.map(({ macsBefore }) => macsBefore)).toEqual([MACS[0], MACS[0]! + MACS[1]!, total - MACS[3]! - MACS[4]!]);
  expect(cuts.map(({ macsBefore, macsAfter }) => macsBefore + macsAfter)).toEqual([total, total, total]);
  expect(cuts.map(({ bytes }) => bytes)).toEqual([4 * 8 * 64, 4 * 8 * 64, 4 * 12 * 16]);
});

test("an old file: opset 9, weights listed as inputs, a softmax at the end that knows no axis, a batch of 1", async () => {
  const parts = smallParts({ opset: 9, listConstants: true, inputs: [["input", [1, 3, 8, 8]]], outputs: ["p"] });
  const network = await prepared({
    ...parts,
    nodes: [
      ...parts.nodes.slice(0, 11),
      op("Reshape", ["pooled", "fixed"], "flat"),
      op("Gemm", ["flat", "w5", "b5"], "output", { transB: 1 }),
      op("Softmax", ["output"], "p"),
    ],
    constants: [...parts.constants!, storedIntegers("fixed", [1, 12])],
  });
  expect(network.inputs.map(({ name }) => name)).toEqual(["input"]);
  expect(network).toMatchObject({ hadSoftmax: true, classes: 10, answer: "p", opset: 9 });
  expect(findCuts(network)).toHaveLength(3);
});

test("a file newer than ours is carried where its operators have kept their form, and refused where not", async () => {
  const network = await prepared(smallParts({ opset: 22 }));
  expect(network.opset).toBe(22);
  expect(network.graph.opsets.get("")).toBe(20);
  expect(findCuts(network)).toHaveLength(3);
  const parts = smallParts();
  const swish = parts.nodes.map((node) => (node.output[0] === "a" ? op("Swish", ["conv1"], "a") : node));
  await expect(prepared({ ...parts, opset: 24, nodes: swish })).rejects.toThrow(
    /operators that this ONNX Runtime has expected|takes expected/,
  );
});

test("a mask that is computed from another input travels beside the cut", async () => {
  const network = await prepared({
    inputs: [
      ["x", ["batch", 6, 32]],
      ["mask", ["batch", 6], "int64"],
    ],
    outputs: ["logits"],
    nodes: [
      op("Cast", ["mask"], "m0", { to: 1 }),
      op("Unsqueeze", ["m0", "last"], "m"),
      op("MatMul", ["x", "w1"], "h1"),
      op("Mul", ["h1", "m"], "h2"),
      op("MatMul", ["h2", "w2"], "h3"),
      op("Mul", ["h3", "m"], "h4"),
      op("ReduceMean", ["h4"], "mean", { axes: [1], keepdims: 0 }),
      op("MatMul", ["mean", "w3"], "logits"),
    ],
    constants: [
      storedIntegers("last", [2]),
      weight("w1", [32, 32], 1),
      weight("w2", [32, 32], 2),
      weight("w3", [32, 4], 3),
    ],
  });
  expect(findCuts(network).map(({ name, beside }) => [name, beside])).toEqual([
    ["h2", ["m"]],
    ["h4", []],
  ]);
});

test("batch normalisation in its training form mixes rows: the message says so", async () => {
  const parts = smallParts();
  const training = [
    ...parts.nodes.slice(0, 1),
    op("BatchNormalization", ["conv1", "g", "b", "m", "v"], ["norm", "m2", "v2"], { training_mode: 1 }),
    op("Relu", ["norm"], "a"),
    ...parts.nodes.slice(2),
  ];
  const constants = [...parts.constants!, ...["g", "v"].map((name) => storedFloats(name, Array(8).fill(1)))];
  const zeros = ["b", "m"].map((name) => storedFloats(name, Array(8).fill(0)));
  await expect(
    prepared({ ...parts, nodes: training.map(renamed), constants: [...constants, ...zeros] }),
  ).rejects.toThrow(/one at a time .*batch normalisation may be in its training form/);
});

/** The block's end is called b in the small network, as the offset here is. */
function renamed(node: ReturnType<typeof op>): ReturnType<typeof op> {
  const rename = (name: string): string => (name === "b" && node.opType !== "BatchNormalization" ? "b out" : name);
  return { ...node, input: node.input.map(rename), output: node.output.map(rename) };
}

test.each([
  [
    "no ONNX file",
    new TextEncoder().encode("%PDF-1.7 ..."),
    /an ONNX file expected, found 12 bytes that begin with "%PDF-1.7/,
  ],
  ["nothing", new Uint8Array(), /an ONNX file expected, found 0 bytes/],
  ["an old opset", onnxFile(smallParts({ opset: 6 })), /version 7 or later expected, found 6/],
  [
    "two versions of one domain",
    onnxFile(smallParts({ domains: [["ai.onnx", 12]] })),
    /one version of the standard operators expected, found 17 and 12/,
  ],
  [
    "an unknown operator",
    onnxFile(smallParts({ domains: [["com.acme", 1]], nodes: [op("Anvil", ["input"], "output", {}, "com.acme")] })),
    /operators that this ONNX Runtime has expected, found com.acme:Anvil/,
  ],
  [
    "a tensor that nobody makes",
    onnxFile(smallParts({ nodes: [op("Relu", ["nowhere"], "output")] })),
    /a tensor nowhere for Relu/,
  ],
])("refused with one line: %s", async (_, bytes, message) => {
  const attempt = prepare(bytes, { runtime, where: "x.onnx" });
  await expect(attempt).rejects.toThrow(message);
  await expect(attempt).rejects.toThrow(/^x\.onnx: .* expected, found .*; [^\n]*$/);
});
