/** Networks that cannot be in 8 bits, wholly or in part: each told in one line. */
import { expect, test } from "vitest";
import { createSamples, type Dataset } from "../../src/dataset/dataset.ts";
import { UserError } from "../../src/errors.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { fullNetworkGraph } from "../../src/inference/stage-programs.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import type { StagedNetwork } from "../../src/network/staged-network.ts";
import { quantise } from "../../src/quantise/quantise.ts";
import { wavyData, wavyPixels } from "../inference/small.ts";
import { attached, opened, runtime } from "../network/imported.ts";
import { type FileParts, op, smallParts, weight } from "../onnx/files.ts";

const COUNT = 64;
const SIZE = 3 * 8 * 8;
const samples = createSamples(wavyPixels(COUNT * 2, 3).slice(0, COUNT * SIZE), new Uint16Array(COUNT));

function dataFor({ classes }: StagedNetwork): Dataset {
  return {
    name: "waves",
    imageShape: [3, 8, 8],
    classes,
    train: samples,
    validation: samples,
    test: samples,
  };
}

async function refusal(network: StagedNetwork, data = dataFor(network)): Promise<string> {
  const error = await quantise({ network, data, runtime, images: COUNT }).then(
    () => null,
    (one: unknown) => one,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).not.toContain("\n");
  return message;
}

test("one of ours without a convolution is refused: what multiplies in it is named", async () => {
  const blueprint = parseBlueprint({
    name: "pools",
    input: [3, 8, 8],
    stages: [
      { layers: [{ type: "maxPool" }], head: [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }] },
      { layers: [{ type: "maxPool" }], head: [{ type: "globalMaxPool" }, { type: "linear", features: "classes" }] },
    ],
  });
  expect(await refusal(untrainedNetwork(blueprint, ["a", "b", "c"]))).toBe(
    "quantise: convolutions of constant float weights over maps of more than 4 channels expected in pools, found Gemm, which stay in float; keep the float network",
  );
});

test("somebody else's of matrix products alone is refused", async () => {
  const parts: FileParts = {
    inputs: [["input", ["batch", 3, 8, 8]]],
    outputs: ["output"],
    nodes: [
      op("Flatten", ["input"], "flat"),
      op("MatMul", ["flat", "w1"], "first"),
      op("Relu", ["first"], "a"),
      op("MatMul", ["a", "w2"], "output"),
    ],
    constants: [weight("w1", [SIZE, 12], 1), weight("w2", [12, 10], 2)],
  };
  expect(await refusal(attached(await opened(parts), ["a"]))).toMatch(
    /^quantise: convolutions of constant float weights over maps of more than 4 channels expected in small, found (MatMul|Gemm|, )+, which stay in float; keep the float network$/,
  );
});

test("pictures of another shape are refused before anything is computed", async () => {
  const network = attached(await opened(), ["a", "b"]);
  expect(await refusal(network, wavyData(createSamples(wavyPixels(COUNT, 3), new Uint16Array(COUNT))))).toBe(
    "quantise: pictures of [3, 8, 8] expected, found [2, 8, 8] in waves; give those that the network was trained on",
  );
});

test("an operator that cannot be in 8 bits stays in float and is named, the convolutions around it are rounded", async () => {
  const { nodes, ...parts } = smallParts();
  const turned = op("ConvTranspose", ["relu3", "w4"], "conv4", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  const network = attached(
    await opened({ ...parts, nodes: nodes.map((one) => (one.output[0] === "conv4" ? turned : one)) }),
    ["a", "b"],
  );
  const small = await quantise({ network, data: dataFor(network), runtime, images: COUNT });
  expect(small.floatProducts.filter((one) => one.startsWith("Conv"))).toEqual(["ConvTranspose"]);
  const { operators } = serialize(fullNetworkGraph(small));
  expect(operators).toEqual(expect.arrayContaining(["ConvTranspose", "QuantizeLinear", "DequantizeLinear"]));
  const logits = async (one: StagedNetwork) => (await computeExitTable(runtime, one, samples)).logits;
  const [float, rounded] = [await logits(network), await logits(small)];
  const square = (values: Float32Array): number => values.reduce((sum, one) => sum + one * one, 0);
  const error = Math.sqrt(square(float.map((one, i) => one - rounded[i]!)) / square(float));
  expect(error).toBeGreaterThan(1e-5); // it is rounded
  expect(error).toBeLessThan(0.1);
});
