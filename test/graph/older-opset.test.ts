import { expect, test } from "vitest";
import { gelu, relu } from "../../src/graph/elementwise.ts";
import { leastOpset } from "../../src/graph/older-opset.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { input } from "../../src/graph/tensor.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";

const X = Float32Array.of(-3, -1, -0.1, 0, 0.5, 2);

/** The bytes of the versions in an ONNX file: field 1 (ir_version) and field 8 (opset_import: field 2, version). */
function versions(bytes: Uint8Array): { ir: number; opset: number } {
  const at = bytes.lastIndexOf(0x42); // the last field 8: nothing follows it here
  return { ir: bytes[1]!, opset: bytes[at + bytes[at + 1]! + 1]! };
}

async function run(bytes: Uint8Array): Promise<Float32Array> {
  const runtime = createNodeRuntime({ threads: 1 });
  const session = await runtime.createSession(bytes);
  const { y } = await session.run({ x: runtime.tensor(X, [6]) });
  return y!.data as Float32Array;
}

test("gelu in its parts is gelu, and the file says for which runtime it is", async () => {
  const x = input("x", [6]);
  const [older, newer] = [17, 20].map((opset) => serialize({ outputs: { y: gelu(x) }, opset }));
  expect(older!.operators).toEqual(["Add", "Div", "Erf", "Mul"]);
  expect(newer!.operators).toEqual(["Gelu"]);
  expect([versions(older!.bytes), versions(newer!.bytes)]).toEqual([
    { ir: 8, opset: 17 },
    { ir: 9, opset: 20 },
  ]);
  const [found, expected] = [await run(older!.bytes), await run(newer!.bytes)];
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
  expect(found[5]).toBeCloseTo(1.9545, 4); // 2 Phi(2)
});

test("the oldest set is that of the newest operator", () => {
  expect(leastOpset(["Conv", "Gelu", "If", "ReduceSum"])).toBe(17);
  expect(leastOpset(["Conv", "ReduceMean"])).toBe(18);
  expect(leastOpset(["GridSample", "Resize"])).toBe(20);
  expect(leastOpset([])).toBe(17);
});

test("sets that cannot be written are refused", () => {
  const x = input("x", [6]);
  for (const opset of [16, 21])
    expect(() => serialize({ outputs: { y: relu(x) }, opset })).toThrow("17 to 20 expected");
});
