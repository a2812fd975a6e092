import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listSupportedBackends } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { exp, sigmoid } from "../../src/graph/elementwise.ts";
import { matMul } from "../../src/graph/linear.ts";
import { constant, input } from "../../src/graph/tensor.ts";
import { seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import { anywhere, expectClose } from "../graph/check.ts";

const SIZE = 96;
const values = anywhere(seededRandom(1), SIZE * SIZE);
const x = input("x", [SIZE, SIZE]);
const graph = { outputs: { y: sigmoid(matMul(x, constant(values, [SIZE, SIZE]))) } };

async function compute(settings: { device?: string; threads?: number }): Promise<Float32Array> {
  const program = await Program.compile(createNodeRuntime(settings), graph);
  const { y } = await program.run({ x: values });
  await program.close();
  return y!;
}

test("cpu is the default device, with a thread for each core", async () => {
  const runtime = createNodeRuntime();
  expect(runtime.device).toBe("cpu");
  expect(runtime.threads).toBeGreaterThanOrEqual(1);
  expectClose(await compute({}), await compute({ device: "cpu", threads: 1 }), 1e-5);
});

test("one thread or two give the same answers, and the same bytes when repeated", async () => {
  const [one, two] = [await compute({ threads: 1 }), await compute({ threads: 2 })];
  // Sums of 96 products may be cut differently; the slope of a sigmoid is at most a quarter.
  expectClose(two, one, 1e-5);
  expect(await compute({ threads: 1 })).toEqual(one);
});

describe("a device that is not there", () => {
  test.each(["gpu", "wasm", "", "CPU"])("unknown: %j", (device) => {
    const create = () => createNodeRuntime({ device });
    expect(create).toThrow(UserError);
    expect(create).toThrow(`device: cpu, webgpu, cuda expected, found ${device}; choose one of them`);
  });

  const carriesCuda = listSupportedBackends().some(({ name, bundled }) => name === "cuda" && bundled);
  test.skipIf(carriesCuda)("cuda: the user is told, with the reason and the way out", async () => {
    const failure = await compute({ device: "cuda" }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    const { message, cause } = failure as UserError;
    expect(message).toMatch(/^device: a working cuda expected, found none \(.+\); use --device cpu, or install CUDA/);
    expect(message).toMatch(/\(this installation carries cpu.*\)$/);
    expect(message).not.toContain("\n");
    expect(cause).toBeInstanceOf(Error);
  });

  // With a graphics processor this compares two devices, without one it reads the message.
  test("webgpu: it computes what the CPU computes, or the user is told", async () => {
    const found = await compute({ device: "webgpu" }).catch((error: unknown) => error);
    if (found instanceof Float32Array) return expectClose(found, await compute({}), 1e-4);
    expect(found).toBeInstanceOf(UserError);
    const { message } = found as UserError;
    expect(message).toMatch(/^device: a working webgpu expected, found none \(.+\); use --device cpu \(this/);
    expect(message).not.toContain("\n");
  });
});

test("a model that the CPU refuses is our defect, not the user's mistake", async () => {
  const failure = await createNodeRuntime()
    .createSession(Uint8Array.of(1, 2, 3))
    .catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  expect(failure).not.toBeInstanceOf(UserError);
});

test("tensors carry their type and shape", () => {
  const { tensor } = createNodeRuntime();
  expect(tensor(new Float32Array(6), [2, 3])).toMatchObject({ type: "float32", dims: [2, 3] });
});

test("a profile is written when the program closes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-profile-"));
  const program = await Program.compile(
    createNodeRuntime({ threads: 1 }),
    { outputs: { y: exp(input("x", [2])) } },
    { profilePrefix: join(folder, "step") },
  );
  await program.run({ x: new Float32Array(2) });
  await program.close();
  const files = readdirSync(folder);
  rmSync(folder, { recursive: true });
  expect(files.filter((name) => name.startsWith("step") && name.endsWith(".json"))).toHaveLength(1);
  expect(existsSync(folder)).toBe(false);
});
