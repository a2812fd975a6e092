import { UserError } from "../errors.ts";
import { type Runtime, residentOutputs, tensorMaker } from "./runtime.ts";

const WEB_DEVICES = ["wasm", "webgpu"] as const;
/** More threads than this gain nothing on the small images of these networks. */
const MOST_THREADS = 4;

export interface WebRuntimeOptions {
  /** "wasm" (default) or "webgpu". */
  readonly device?: string;
  /** Default: the cores, at most 4; 1 where the page is not cross-origin isolated, as threads share memory. */
  readonly threads?: number;
  /**
   * Address of the folder with the `.wasm` and `.mjs` files of `onnxruntime-web`; default: where the bundler put them, which Vite,
   * webpack and Rollup do by themselves and esbuild does not.
   */
  readonly wasmPaths?: string;
}

/** The parts of a page that are looked at; all absent in Node. */
interface Page {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: {
    readonly hardwareConcurrency?: number;
    readonly gpu?: { requestAdapter(): Promise<object | null> };
  };
}

/**
 * ONNX Runtime in a browser. Only the build for the device is fetched. Threads and addresses hold for the whole page: the first
 * runtime of a device sets them.
 *
 * @throws {UserError} if the device is unknown or not there, threads are not possible, or the page has set other ones before:
 *   nothing falls back in silence
 */
export async function createWebRuntime(options: WebRuntimeOptions = {}): Promise<Runtime> {
  const { device = "wasm", wasmPaths } = options;
  if (device !== "wasm" && device !== "webgpu")
    throw new UserError(`device: ${WEB_DEVICES.join(" or ")} expected, found ${device}; choose one of them`);
  const page = globalThis as Page;
  const threads = options.threads ?? possibleThreads(page);
  if (threads > 1 && !page.crossOriginIsolated)
    throw new UserError(
      `threads: 1 expected on a page that is not cross-origin isolated, found ${threads}; ` +
        "serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
    );
  if (device === "webgpu" && !(await page.navigator?.gpu?.requestAdapter()))
    throw new UserError("device: a browser with WebGPU expected, found none; use wasm");
  const ort = await (device === "webgpu" ? import("onnxruntime-web/webgpu") : import("onnxruntime-web/wasm"));
  const { wasm } = ort.env;
  if (wasm.numThreads && wasm.numThreads !== threads)
    throw new UserError(
      `threads: ${wasm.numThreads} expected (what the page began with), found ${threads}; use the same everywhere`,
    );
  wasm.numThreads = threads;
  const unbundled = unbundledBinary(device, import.meta.url);
  if (wasmPaths !== undefined) wasm.wasmPaths = wasmPaths;
  else if (unbundled) wasm.wasmPaths = { wasm: unbundled };
  return {
    device,
    threads,
    createSession: (model, settings = {}) =>
      ort.InferenceSession.create(model, {
        executionProviders: [device],
        graphOptimizationLevel: settings.optimizeFor === "training" ? "extended" : "all",
        ...residentOutputs(device, settings),
        logSeverityLevel: settings.quiet ? 4 : 3,
        // Idle threads of one session would otherwise spin against those of the next one.
        extra: { session: { force_spinning_stop: "1" } },
      }).catch((cause: Error) => {
        throw withoutBinary(cause, BINARIES[device]);
      }),
    tensor: tensorMaker(ort.Tensor),
  };
}

const BINARIES = {
  wasm: "ort-wasm-simd-threaded.wasm",
  webgpu: "ort-wasm-simd-threaded.asyncify.wasm",
} as const;

/**
 * Vite's dev server moves the scripts of packages into `node_modules/.vite/deps`; Vite 6 and 7 leave the binaries where they are, which is
 * where they are then taken from.
 *
 * @returns the binary's address; null where the scripts were not moved
 */
export function unbundledBinary(device: keyof typeof BINARIES, script: string): string | null {
  const [, before] = /^(.*\/node_modules\/)\.vite\/deps[^/]*\//.exec(script) ?? [];
  return before === undefined ? null : `${before}onnxruntime-web/dist/${BINARIES[device]}`;
}

/** What ONNX Runtime throws where it finds no binary, with what to do about it; any other error as it is. */
function withoutBinary(cause: Error, binary: string): Error {
  if (!/no available backend found/i.test(cause.message)) return cause;
  return new UserError(
    `runtime: ${binary} beside the page's script expected, found none that loads (${cause.message.slice(0, 300)}); ` +
      `copy node_modules/onnxruntime-web/dist/${binary} there, or give its folder's address as wasmPaths`,
    { cause },
  );
}

function possibleThreads({ crossOriginIsolated, navigator }: Page): number {
  return crossOriginIsolated ? Math.min(MOST_THREADS, navigator?.hardwareConcurrency ?? 1) : 1;
}
