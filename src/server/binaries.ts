/**
 * ONNX Runtime's binaries for the page. That of WebAssembly comes with the package, compressed; that of WebGPU, twice as large and only
 * there to train faster, is taken from `onnxruntime-web` where it is installed.
 */
import { existsSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
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
    const whole = installed && join(installed, name);
    const small = join(packed, `${name}.br`);
    const bytes =
      whole && existsSync(whole)
        ? await readFile(whole)
        : existsSync(small)
          ? await promisify(brotliDecompress)(await readFile(small))
          : null;
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
    const folder = dirname(createRequire(import.meta.url).resolve("onnxruntime-web"));
    const { version } = JSON.parse(readFileSync(join(folder, "../package.json"), "utf8"));
    return version === ORT_VERSION ? folder : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}
