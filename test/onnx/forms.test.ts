/** The forms in which networks come: each is read, cut, and says in stages what it said whole. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { serialize } from "../../src/graph/onnx.ts";
import { input } from "../../src/graph/tensor.ts";
import type { ImportedNetwork } from "../../src/network/imported-network.ts";
import { buildStages } from "../../src/network/staged-network.ts";
import { findCuts, lastFeatures, lastJoin, totalMacs } from "../../src/onnx/cuts.ts";
import { prepare } from "../../src/onnx/prepare.ts";
import { stored } from "../../src/onnx/stored-tensor.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { attached, noise, opened, runtime } from "../network/imported.ts";
import { type FileParts, onnxFile, op, smallParts, storedFloats, storedIntegers, weight } from "./files.ts";
import { visionTransformer } from "./vision-transformer.ts";

const prepared = (parts: FileParts) => prepare(onnxFile(parts), { runtime, where: "file.onnx" });

/** What the stages of an attached network say at the end, as one graph without anybody's heads. */
async function staged(network: ImportedNetwork, pictures: Float32Array): Promise<Float32Array> {
  const { shape } = network.picture;
  const last = buildStages(network, [input("x", [1, ...shape])], "batchFirst").at(-1)!;
  const { bytes } = serialize({ outputs: { last: last.logits }, anyBatch: true });
  const session = await InferenceSession.create(bytes);
  const count = pictures.length / shape.reduce((a, b) => a * b);
  const { last: answer } = await session.run({ x: new Tensor("float32", pictures, [count, ...shape]) });
  return answer!.data as Float32Array;
}

/** The file as it came, by ONNX Runtime alone, row by row. */
async function whole(parts: FileParts, name: string, pictures: Float32Array, dims: readonly number[]) {
  const session = await InferenceSession.create(onnxFile(parts));
  const size = dims.reduce((a, b) => a * b);
  const rows: number[] = [];
  for (let at = 0; at < pictures.length; at += size) {
    const feeds = { [parts.inputs[0]![0]]: new Tensor("float32", pictures.slice(at, at + size), [1, ...dims]) };
    rows.push(...((await session.run(feeds))[name]!.data as Float32Array));
  }
  return Float32Array.from(rows);
}

function expectSame(found: Float32Array, expected: Float32Array, tolerance = 1e-5): void {
  expect(found.length).toBe(expected.length);
  expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(tolerance);
}

/** Cuts everywhere, in stages, against the file as it came. */
async function checkWhole(parts: FileParts, answer: string) {
  const network = await opened(parts);
  const cuts = findCuts(network.prepared).map(({ name }) => name);
  const pictures = noise(3 * network.picture.shape.reduce((a, b) => a * b));
  const found = await staged(attached(network, cuts), pictures);
  expectSame(found, await whole(parts, answer, pictures, network.picture.shape));
  return cuts;
}

/** Scale 2^-k of a weight, and its 8-bit values. */
function eightBits(name: string, dims: readonly number[], seed: number) {
  const random = seededRandom(seed);
  const count = dims.reduce((a, b) => a * b);
  const data = Int8Array.from({ length: count }, () => Math.max(-127, Math.min(127, Math.round(40 * normal(random)))));
  return [
    stored(name, "int8", dims, new Uint8Array(data.buffer)),
    storedFloats(`${name} scale`, [1 / 512], []),
    stored(`${name} zero`, "int8", [], Uint8Array.of(0)),
  ];
}

/** The small network in 8 bits, as static quantisation writes it: weights and what flows are quantised and brought back. */
function quantisedParts(): FileParts {
  const parts = smallParts();
  const quantised = new Map([
    ["w2", eightBits("w2", [8, 8, 3, 3], 2)],
    ["w3", eightBits("w3", [12, 8, 3, 3], 3)],
  ]);
  const flow = [storedFloats("flow scale", [1 / 32], []), stored("flow zero", "uint8", [], Uint8Array.of(0))];
  const nodes = parts.nodes.flatMap((node) => {
    const [x, w] = node.input;
    if (node.opType !== "Conv" || !quantised.has(w!)) return [node];
    return [
      op("QuantizeLinear", [x!, "flow scale", "flow zero"], `${x} q`),
      op("DequantizeLinear", [`${x} q`, "flow scale", "flow zero"], `${x} dq`),
      op("DequantizeLinear", [w!, `${w} scale`, `${w} zero`], `${w} dq`),
      { ...node, input: [`${x} dq`, `${w} dq`] },
    ];
  });
  const constants = parts.constants!.filter(({ name }) => !quantised.has(name!));
  return { ...parts, nodes, constants: [...constants, ...[...quantised.values()].flat(), ...flow] };
}

describe("read and cut, the same answers in stages", () => {
  test("a quantised file (QDQ): its 8-bit weights stay so", async () => {
    const parts = quantisedParts();
    const { graph } = await prepared(parts);
    expect(graph.constants.get("w2")!.dataType).toBe(3);
    const cuts = await checkWhole(parts, "output");
    expect(cuts).toHaveLength(3);
    expect(totalMacs(await prepared(parts))).toBe(totalMacs(await prepared(smallParts())));
  });

  test("operators of com.microsoft are carried", async () => {
    const parts = smallParts({ domains: [["com.microsoft", 1]] });
    const nodes = parts.nodes.map((node) =>
      node.output[0] === "b" ? op("QuickGelu", ["sum2"], "b", { alpha: { float: 1.702 } }, "com.microsoft") : node,
    );
    expect(await checkWhole({ ...parts, nodes }, "output")).toEqual(["a", "b", "relu3"]);
  });

  test("several outputs: the one that is named so is the answer, features beside it are not", async () => {
    const parts = smallParts({ outputs: ["pooled", "hidden", "logits"] });
    const nodes = [
      ...parts.nodes.slice(0, -1),
      op("Gemm", ["flat", "w5", "b5"], "logits", { transB: 1 }),
      op("Gemm", ["flat", "w6"], "hidden", { transB: 1 }),
    ];
    const all = { ...parts, nodes, constants: [...parts.constants!, weight("w6", [7, 12], 9)] };
    expect(await prepared(all)).toMatchObject({ answer: "logits", classes: 10 });
    await checkWhole(all, "logits");
    await expect(prepared({ ...all, outputs: ["hidden", "pooled", "flat"] })).rejects.toThrow(
      /one output \[batch, classes\] expected, found hidden \[2,7\], pooled \[2,12,1,1\], flat \[2,12\]; .* "logits"/,
    );
  });

  test("several inputs: it can be looked at; exits need that the answer depends on pictures alone", async () => {
    const parts = smallParts({
      inputs: [
        ["scale", ["batch", 1]],
        ["input", ["batch", 3, 8, 8]],
      ],
    });
    const nodes = [
      ...parts.nodes.slice(0, -1),
      op("Mul", ["flat", "scale"], "scaled"),
      op("Gemm", ["scaled", "w5", "b5"], "output", { transB: 1 }),
    ];
    const all = { ...parts, nodes };
    const network = await prepared(all);
    expect(network.main).toBe("input");
    expect(findCuts(network).map(({ name }) => name)).toEqual(["a", "b", "relu3"]);
    const withTwo = await opened(all);
    expect(() => attached(withTwo, ["a"])).toThrow(
      /depends on the input input alone expected, found one that also needs scale/,
    );
  });

  test.each([
    ["a softmax at the end", 13, { axis: -1 }],
    ["one of the old form", 12, {}],
  ])("%s is taken out: the answer is logits", async (_, opset, attributes) => {
    const parts = smallParts({ opset, outputs: ["p"] });
    const nodes = [...parts.nodes, op("Softmax", ["output"], "p", attributes)].map((node) =>
      node.opType === "Unsqueeze" && opset < 13 ? op("Unsqueeze", ["rows"], "rows1", { axes: [0] }) : node,
    );
    const network = await prepared({ ...parts, nodes });
    expect(network.hadSoftmax).toBe(true);
    const whole = { ...parts, nodes, outputs: ["output"] };
    await checkWhole(whole, "output");
    const cut = attached(await opened({ ...parts, nodes }), ["a", "b"]);
    const pictures = noise(2 * 192);
    expectSame(await staged(cut, pictures), await staged(attached(await opened(whole), ["a", "b"]), pictures));
  });

  test("a batch fixed to 1, with its one in a Reshape", async () => {
    const parts = smallParts({ inputs: [["input", [1, 3, 8, 8]]] });
    const nodes = [
      ...parts.nodes.slice(0, 11),
      op("Reshape", ["pooled", "fixed"], "flat"),
      op("Gemm", ["flat", "w5", "b5"], "output", { transB: 1 }),
    ];
    await checkWhole({ ...parts, nodes, constants: [...parts.constants!, storedIntegers("fixed", [1, 12])] }, "output");
  });

  test("half precision inside", async () => {
    const parts = smallParts({ outputs: ["logits"] });
    const half = (name: string, of: string) => op("Cast", [of], name, { to: 10 });
    const weights = ["w1", "b1", "w2", "w3", "w4", "w5", "b5"];
    const rename = (name: string): string =>
      weights.includes(name) ? `${name} h` : name === "input" ? "input h" : name;
    const nodes = [
      half("input h", "input"),
      ...weights.map((name) => half(`${name} h`, name)),
      ...parts.nodes.map((node) => ({ ...node, input: node.input.map(rename) })),
      op("Cast", ["output"], "logits", { to: 1 }),
    ];
    const network = await opened({ ...parts, nodes });
    expect(network.prepared.tensors.get("a")!.type).toBe("float16");
    const pictures = noise(3 * 192);
    const found = await staged(attached(network, ["a", "b"]), pictures);
    expectSame(found, await whole({ ...parts, nodes }, "logits", pictures, [3, 8, 8]), 0.02);
  });

  test("an operator whose meaning has changed since opset 20 is refused, not carried wrongly", async () => {
    const parts = smallParts({ opset: 21 });
    const ones = (name: string, count: number) =>
      storedFloats(
        name,
        Array.from({ length: count }, (_, i) => 1 + i),
      );
    // scale and bias by channel since 21, by group before
    const normalised = op("GroupNormalization", ["conv1", "g", "o"], "norm", { num_groups: 2 });
    const nodes = [parts.nodes[0]!, normalised, op("Relu", ["norm"], "a"), ...parts.nodes.slice(2)];
    await expect(
      prepared({ ...parts, nodes, constants: [...parts.constants!, ones("g", 8), ones("o", 8)] }),
    ).rejects.toThrow(/^file\.onnx: .* expected, found .*; /);
  });
});

describe("a Vision Transformer", () => {
  const parts = visionTransformer();

  test("is cut after its blocks, at the tokens", async () => {
    const network = await prepared(parts);
    const cuts = findCuts(network);
    const tokens = 4 * 4 + 1;
    expect(cuts.filter(({ isNarrow }) => isNarrow).map(({ name }) => name)).toEqual(
      expect.arrayContaining(["block 0", "block 1", "block 2"]),
    );
    for (const { name, shape } of cuts) if (name.startsWith("block")) expect(shape).toEqual([1, tokens, 24]);
    expect(lastFeatures(network)).toBe("normed");
    expect(lastJoin(network)).toMatch(/joins/);
  });

  test("says in stages what it says whole, for any batch, though it was exported for one", async () => {
    const cuts = await checkWhole(parts, "logits");
    expect(cuts).toContain("block 1");
  });
});
