/**
 * ONNX Runtime's binaries for the page. That of WebAssembly comes with the package, compressed; that of WebGPU, twice as large and only
 * there to train faster, is taken from `onnxruntime-web` where it is installed.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { readFileIfThere } from "../files/reader.ts";
import { ORT_VERSION } from "../version.ts";
import type { Files } from "./files.ts";

/** Where the page looks for them: the version is part of the address, which may so be kept for ever. */
const ADDRESS = `assets/onnxruntime-${ORT_VERSION}/`;
const WASM = "ort-wasm-simd-threaded.wasm";
const WEBGPU = "ort-wasm-simd-threaded.asyncify.wasm";

export interface BinaryPlaces {
  /** The package's own folder, of files `NAME.br`. */
  readonly packed: string;
  /** The folder of `onnxruntime-web`, null where it is not installed. */
  readonly installed: string | null;
}

export function binaryFiles({ packed, installed }: BinaryPlaces): Files {
  return async (address) => {
    const name = [WASM, WEBGPU].find((one) => address === ADDRESS + one);
    if (!name) return null;
    const whole = installed === null ? null : await readFileIfThere(join(installed, name));
    const small = whole ? null : await readFileIfThere(join(packed, `${name}.br`));
    const bytes = whole ?? (small && (await promisify(brotliDecompress)(small)));
    return bytes && { bytes: new Uint8Array(bytes), type: "application/wasm" };
  };
}

/** Devices that the page can compute on, as far as this installation goes: "webgpu" needs the binary of `onnxruntime-web`. */
export function pageDevices({ installed }: BinaryPlaces): readonly string[] {
  return installed && existsSync(join(installed, WEBGPU)) ? ["wasm", "webgpu"] : ["wasm"];
}

/** The folder with the binaries of `onnxruntime-web`, if it is installed in the release that the page was built with. */
export function installedBinaries(): string | null {
  try {
    const require = createRequire(import.meta.url);
    const folder = dirname(require.resolve("onnxruntime-web"));
    const { version } = require(join(folder, "../package.json")) as { version: string };
    return version === ORT_VERSION ? folder : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}
