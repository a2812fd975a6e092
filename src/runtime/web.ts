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
  /** Address of the folder with the `.wasm` and `.mjs` files of `onnxruntime-web`; default: where the bundler put them. */
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
  if (wasmPaths !== undefined) wasm.wasmPaths = wasmPaths;
  return {
    device,
    threads,
    createSession: (model, settings = {}) =>
      ort.InferenceSession.create(model, {
        executionProviders: [device],
        graphOptimizationLevel: settings.optimizeFor === "training" ? "extended" : "all",
        ...residentOutputs(device, settings),
        logSeverityLevel: 3,
        // Idle threads of one session would otherwise spin against those of the next one.
        extra: { session: { force_spinning_stop: "1" } },
      }),
    tensor: tensorMaker(ort.Tensor),
  };
}

function possibleThreads({ crossOriginIsolated, navigator }: Page): number {
  return crossOriginIsolated ? Math.min(MOST_THREADS, navigator?.hardwareConcurrency ?? 1) : 1;
}
