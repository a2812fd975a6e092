/** Files that nobody here wrote. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { describeNetwork } from "../../src/onnx/describe.ts";
import { readNetworkFile } from "../../src/onnx/network-file.ts";
import { prepare } from "../../src/onnx/prepare.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";

const folder = "../shared/networks";
const info = async (name: string) => {
  const path = `${folder}/${name}.onnx`;
  const { bytes, external } = await readNetworkFile(path);
  return describeNetwork(await prepare(bytes, { runtime: createNodeRuntime({ threads: 1 }), where: path, external }));
};

describe.skipIf(!existsSync(folder))(`networks of others (skipped where ${folder} is missing)`, () => {
  test.each([
    ["resnet20", 40_551_040, 3],
    ["resnet56", 125_485_696, 9],
  ])("%s: its MACs, and a cut after each residual block", { timeout: 60_000 }, async (name, macs, blocks) => {
    const { macs: found, cuts } = await info(name);
    expect(found).toBe(macs);
    const all = [1, 2, 3].flatMap((layer) =>
      Array.from({ length: blocks }, (_, i) => `/layer${layer}/layer${layer}.${i}/Relu_1_output_0`),
    );
    expect(cuts.map((cut) => cut.name)).toEqual(["/Relu_output_0", ...all.slice(0, -1)]); // nothing is saved after the last
  });

  test("MobileNetV2: its MACs, a cut after each bottleneck, the narrow ones", { timeout: 60_000 }, async () => {
    const { macs, cuts, answer } = await info("mobilenet-v2-imagenet");
    expect(macs).toBe(300_775_552);
    expect(answer).toMatchObject({ classes: 1001, softmax: true });
    const bottlenecks = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320];
    const narrow = cuts.filter(({ isNarrow }) => isNarrow);
    expect(narrow.slice(1).map(({ shape }) => shape[1])).toEqual(bottlenecks);
    expect(cuts).toHaveLength(31);
  });
});
