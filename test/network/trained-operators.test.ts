/** Every operator that can be trained, in a file: its value and its gradients are compared with what the runtime makes of the file itself. */
import { describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { multiply } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import type { Node, Tensor as StoredTensor } from "../../src/graph/onnx_pb.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { type OpenedNetwork, ownAnswer } from "../../src/network/imported-network.ts";
import { buildTrainedPart, constantName } from "../../src/network/imported-training.ts";
import { TRAINED_OPERATORS } from "../../src/network/trained-operators.ts";
import { asPlain } from "../../src/network/trained-value.ts";
import { withConstants } from "../../src/onnx/constants.ts";
import { Program } from "../../src/runtime/program.ts";
import { expectClose } from "../graph/check.ts";
import { op, storedFloats, storedIntegers, weight } from "../onnx/files.ts";
import { noise, opened, runtime } from "./imported.ts";

interface Case {
  readonly name: string;
  /** From x, [B, 8, 6, 6], to y. */
  readonly nodes: readonly Node[];
  readonly constants?: readonly StoredTensor[];
  /** Values of y for one picture. */
  readonly width: number;
}

const one = (name: string, constants: readonly StoredTensor[] = [], attributes = {}, width = 288): Case => ({
  name,
  nodes: [op(name, ["x", ...constants.map((each) => each.name!)], "y", attributes)],
  constants,
  width,
});
const ints = storedIntegers;
const floats = storedFloats;
/** Between 1 and 2, for what must be positive. */
const positive = (nodes: readonly Node[]): Node[] => [
  op("Sigmoid", ["x"], "s"),
  op("Add", ["s", "unit"], "p"),
  ...nodes,
];
const unit = floats("unit", [1], []);
const tokens = [op("Reshape", ["x", "to tokens"], "rows"), op("Transpose", ["rows"], "t", { perm: [0, 2, 1] })]; // [B, 36, 8]
const toTokens = ints("to tokens", [0, 8, 36]);

const cases: readonly Case[] = [
  ...["Relu", "HardSwish", "Sigmoid", "Tanh", "Erf", "Exp", "Neg", "Identity"].map((name) => one(name)),
  one("LeakyRelu", [], { alpha: { float: 0.2 } }),
  one("HardSigmoid", [], { alpha: { float: 0.3 }, beta: { float: 0.4 } }),
  one("Clip", [floats("low", [-0.5], []), floats("high", [0.7], [])]),
  one("Pow", [floats("exponent", [2], [])]),
  one("Cast", [], { to: 1 }),
  { ...one("Dropout"), name: "Dropout (none in use)" },
  { name: "Sqrt", nodes: positive([op("Sqrt", ["p"], "y")]), constants: [unit], width: 288 },
  { name: "Log", nodes: positive([op("Log", ["p"], "y")]), constants: [unit], width: 288 },
  {
    name: "Gelu in its parts",
    nodes: [
      op("Div", ["x", "root"], "a"),
      op("Erf", ["a"], "b"),
      op("Add", ["b", "unit"], "c"),
      op("Mul", ["x", "c"], "d"),
      op("Mul", ["d", "half"], "y"),
    ],
    constants: [floats("root", [Math.SQRT2], []), unit, floats("half", [0.5], [])],
    width: 288,
  },
  { name: "Silu in its parts", nodes: [op("Sigmoid", ["x"], "a"), op("Mul", ["x", "a"], "y")], width: 288 },
  one("Add", [weight("offset", [8, 1, 1], 11)]),
  one("Mul", [weight("slope", [1, 8, 1, 1], 12)]),
  one("Sub", [weight("offset", [8, 1, 1], 13)]),
  one("Div", [floats("by", [2, 3, 4, 5, 6, 7, 8, 9], [8, 1, 1])]),
  { name: "Sum", nodes: [op("Sigmoid", ["x"], "a"), op("Sum", ["x", "a", "x"], "y")], width: 288 },
  {
    name: "Conv of 5x3, uneven",
    nodes: [op("Conv", ["x", "k", "kb"], "y", { kernel_shape: [5, 3], strides: [2, 1], pads: [2, 1, 1, 0], group: 2 })],
    constants: [weight("k", [6, 4, 5, 3], 14), weight("kb", [6], 15)],
    width: 6 * 3 * 5,
  },
  {
    name: "Conv, SAME_UPPER",
    nodes: [op("Conv", ["x", "k"], "y", { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_UPPER", group: 8 })],
    constants: [weight("k", [8, 1, 3, 3], 16)],
    width: 8 * 9,
  },
  {
    name: "BatchNormalization",
    nodes: [op("BatchNormalization", ["x", "g", "o", "m", "v"], "y", { epsilon: { float: 1e-3 } })],
    constants: [
      weight("g", [8], 17),
      weight("o", [8], 18),
      weight("m", [8], 19),
      floats("v", [1, 2, 3, 1, 2, 3, 1, 2]),
    ],
    width: 288,
  },
  one("MaxPool", [], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, 8 * 9),
  {
    ...one("MaxPool", [], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }, 8 * 9),
    name: "MaxPool, rounded up",
  },
  one("AveragePool", [], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 0] }, 8 * 9),
  one("GlobalAveragePool", [], {}, 8),
  one("GlobalMaxPool", [], {}, 8),
  one("ReduceMean", [ints("axes", [2, 3])], { keepdims: 0 }, 8),
  { ...one("ReduceMean", [ints("axes", [1])], {}, 36), name: "ReduceMean over channels" },
  one("ReduceSum", [ints("axes", [-1])], { keepdims: 1 }, 48),
  one("Pad", [ints("pads", [0, 2, 0, 1, 0, 1, 1, 0])], {}, 11 * 7 * 7),
  one(
    "Slice",
    [ints("from", [0, -5]), ints("to", [99, -1]), ints("axes", [2, 3]), ints("steps", [2, 1])],
    {},
    8 * 3 * 4,
  ),
  { name: "Concat", nodes: [op("Sigmoid", ["x"], "a"), op("Concat", ["x", "a"], "y", { axis: 1 })], width: 576 },
  {
    name: "Split",
    nodes: [
      op("Split", ["x", "parts"], ["a", "b"], { axis: 1 }),
      op("Sigmoid", ["a"], "c"),
      op("Concat", ["c", "b"], "y", { axis: 1 }),
    ],
    constants: [ints("parts", [3, 5])],
    width: 288,
  },
  one("Flatten", [], {}, 288),
  { name: "Transpose", nodes: [op("Transpose", ["x"], "y", { perm: [0, 2, 3, 1] })], width: 288 },
  {
    name: "Squeeze and Unsqueeze",
    nodes: [
      op("GlobalAveragePool", ["x"], "a"),
      op("Squeeze", ["a", "axes"], "b"),
      op("Unsqueeze", ["b", "axes"], "y"),
    ],
    constants: [ints("axes", [2, 3])],
    width: 8,
  },
  {
    name: "Gather",
    nodes: [...tokens, op("Gather", ["t", "first"], "y", { axis: 1 })],
    constants: [toTokens, ints("first", [0], [])],
    width: 8,
  },
  { name: "Softmax", nodes: [...tokens, op("Softmax", ["t"], "y", { axis: 2 })], constants: [toTokens], width: 288 },
  { name: "LogSoftmax over rows", nodes: [op("LogSoftmax", ["x"], "y", { axis: -2 })], width: 288 },
  { name: "Softmax over channels", nodes: [op("Softmax", ["x"], "y", { axis: 1 })], width: 288 },
  {
    name: "LayerNormalization",
    nodes: [...tokens, op("LayerNormalization", ["t", "g", "o"], "y")],
    constants: [toTokens, weight("g", [8], 21), weight("o", [8], 22)],
    width: 288,
  },
  {
    name: "MatMul: attention",
    nodes: [
      ...tokens,
      op("MatMul", ["t", "q"], "queries"),
      op("Transpose", ["t"], "keys", { perm: [0, 2, 1] }),
      op("MatMul", ["queries", "keys"], "scores"),
      op("Softmax", ["scores"], "shares", { axis: -1 }),
      op("MatMul", ["shares", "t"], "y"),
    ],
    constants: [toTokens, weight("q", [8, 8], 23)],
    width: 288,
  },
  {
    name: "Gemm, not turned",
    nodes: [op("GlobalAveragePool", ["x"], "a"), op("Flatten", ["a"], "b"), op("Gemm", ["b", "m", "n"], "y")],
    constants: [weight("m", [8, 5], 24), weight("n", [5], 25)],
    width: 5,
  },
];

const BATCH = 2;
const IMAGES = noise(BATCH * 3 * 6 * 6);

function fileOf({ nodes, constants = [], width }: Case): Promise<OpenedNetwork> {
  return opened({
    opset: 20,
    inputs: [["input", ["batch", 3, 6, 6]]],
    outputs: ["output"],
    nodes: [
      op("Conv", ["input", "w", "w0"], "x", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      ...nodes,
      op("Reshape", ["y", "flat shape"], "flat"),
      op("Gemm", ["flat", "last"], "output", { transB: 1 }),
    ],
    constants: [
      weight("w", [8, 3, 3, 3], 1),
      weight("w0", [8], 2),
      ...constants,
      weight("last", [4, width], 3),
      ints("flat shape", [0, -1]),
    ],
  });
}

const projection = constant(noise(BATCH * 4, 9), [BATCH, 4]);

/** The file as the runtime has it: sum of its answers times fixed numbers. */
async function lossOf(network: OpenedNetwork): Promise<{ loss: number; answer: Float32Array }> {
  const images = input("images", [BATCH, 3, 6, 6]);
  const program = await Program.compile(runtime, { outputs: { answer: ownAnswer(network, images) } });
  const { answer } = await program.run({ images: IMAGES });
  await program.close();
  const fixed = (projection.source as { data: Float32Array }).data;
  return { loss: answer!.reduce((sum, value, i) => sum + value * fixed[i]!, 0), answer: answer! };
}

/** Both ways; float32 leaves about 1e-3 of a difference of two losses, kinks between them a little more. */
const STEP = 4e-3;
const CLOSE = 2e-2;

/** A direction of length 1. */
function unitNoise(count: number, seed: number): Float32Array {
  const values = noise(count, seed);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

describe.each(cases)("$name", (given) => {
  test("value and gradients are those of the file", async () => {
    const network = await fileOf(given);
    const images = input("images", [BATCH, 3, 6, 6]);
    const part = buildTrainedPart(network, images, [network.prepared.answer], { frozenTo: [], statistics: "kept" });
    expect(part.frozen).toEqual([]);
    const answer = asPlain(part.value(network.prepared.answer));
    const slopes = gradients(reduceSum(multiply(answer, projection)), part.parameters);
    const outputs = Object.fromEntries([
      ["answer", answer] as const,
      ...slopes.map((slope, i) => [`d${i}`, slope] as const),
    ]);
    const program = await Program.compile(runtime, { outputs });
    const found = await program.run({ images: IMAGES });
    await program.close();
    expectClose(found.answer!, (await lossOf(network)).answer, 1e-4);
    for (const [i, { source, shape }] of part.parameters.entries()) {
      const values = source.initial();
      const direction = unitNoise(values.length, 30 + i);
      const moved = async (by: number): Promise<number> => {
        const other = values.map((value, at) => value + by * direction[at]!);
        return (await lossOf({ ...network, ...withConstants(network, new Map([[constantName(source.name)!, other]])) }))
          .loss;
      };
      const expected = ((await moved(STEP)) - (await moved(-STEP))) / (2 * STEP);
      const slope = found[`d${i}`]!.reduce((sum, value, at) => sum + value * direction[at]!, 0);
      const scale = Math.max(0.1, Math.abs(expected));
      expect(
        Math.abs(slope - expected) / scale,
        `${source.name} [${shape}]: ${expected} expected, ${slope} found`,
      ).toBeLessThan(CLOSE);
    }
  });
});

test("every line of the table is tried", () => {
  const tried = new Set(cases.flatMap(({ nodes }) => nodes.map(({ opType }) => opType!)));
  const others = ["Reshape", "Conv", "Gemm", "Gelu"]; // around every case; and one of a newer form
  expect(Object.keys(TRAINED_OPERATORS).filter((name) => !tried.has(name) && !others.includes(name))).toEqual([]);
});

test("what has no gradient stays as it came with all before it, and is named with the reason", async () => {
  const network = await fileOf({ name: "", nodes: [op("Sin", ["x"], "a"), op("Relu", ["a"], "y")], width: 288 });
  const images = input("images", [BATCH, 3, 6, 6]);
  const part = buildTrainedPart(network, images, [network.prepared.answer], { frozenTo: [], statistics: "kept" });
  expect(part.frozen).toEqual([{ node: "Sin Sin a", reason: "Sin has no gradient here" }]);
  expect(part.parameters.map(({ source }) => source.name)).toEqual(["backbone.last.weight"]);
  const last = await fileOf({ name: "", nodes: [op("Relu", ["x"], "y")], width: 288 });
  const whole = { frozenTo: [last.prepared.answer], statistics: "kept" } as const;
  expect(() => buildTrainedPart(last, images, [last.prepared.answer], whole)).toThrow(
    /tune: weights of small that a gradient reaches expected, found none behind output; take --tune heads/,
  );
});
