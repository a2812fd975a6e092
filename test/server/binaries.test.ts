/** ONNX Runtime's binaries for the page: from the package, or from `onnxruntime-web` where it is installed. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { binaryFiles, installedBinaries, pageDevices } from "../../src/server/binaries.ts";
import { ORT_VERSION } from "../../src/version.ts";

const root = mkdtempSync(join(tmpdir(), "earlyexit-binaries-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const WASM = "ort-wasm-simd-threaded.wasm";
const WEBGPU = "ort-wasm-simd-threaded.asyncify.wasm";
const [packed, installed] = [join(root, "packed"), join(root, "installed")];
for (const folder of [packed, installed]) mkdirSync(folder);
writeFileSync(join(packed, `${WASM}.br`), brotliCompressSync("from the package"));
writeFileSync(join(installed, WASM), "installed");
writeFileSync(join(installed, WEBGPU), "installed, for WebGPU");

const get = async (places: Parameters<typeof binaryFiles>[0], name: string) => {
  const file = await binaryFiles(places)(name);
  return file && { text: new TextDecoder().decode(file.bytes), type: file.type };
};
const at = (name: string): string => `assets/onnxruntime-${ORT_VERSION}/${name}`;

test("the package is made for the release that it depends on", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  expect(dependencies["onnxruntime-node"]).toBe(ORT_VERSION);
  expect(dependencies["onnxruntime-common"]).toBe(ORT_VERSION);
  expect(devDependencies["onnxruntime-web"]).toBe(`^${ORT_VERSION}`);
  expect(installedBinaries()).toMatch(/onnxruntime-web[\\/]dist$/);
});

describe("where onnxruntime-web is installed", () => {
  test("both binaries are its own", async () => {
    const type = "application/wasm";
    expect(await get({ packed, installed }, at(WASM))).toEqual({ text: "installed", type });
    expect(await get({ packed, installed }, at(WEBGPU))).toEqual({ text: "installed, for WebGPU", type });
    expect(pageDevices({ packed, installed })).toEqual(["wasm", "webgpu"]);
  });
});

describe("where it is not", () => {
  test("WebAssembly's comes from the package, WebGPU is not offered", async () => {
    const places = { packed, installed: null };
    expect(await get(places, at(WASM))).toEqual({ text: "from the package", type: "application/wasm" });
    expect(await get(places, at(WEBGPU))).toBeNull();
    expect(pageDevices(places)).toEqual(["wasm"]);
  });
});

test.each(["", WASM, at("../../package.json"), at(`${WASM}.br`), `assets/onnxruntime-1.0.0/${WASM}`])(
  "nothing at '%s'",
  async (name) => {
    expect(await get({ packed, installed }, name)).toBeNull();
  },
);
