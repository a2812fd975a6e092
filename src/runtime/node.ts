import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { isMainThread } from "node:worker_threads";
import type { InferenceSession } from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { ORT_VERSION } from "../version.ts";
import { type Device, type Runtime, residentOutputs, type SessionOptions, tensorMaker } from "./runtime.ts";
import { silenceTelemetry } from "./telemetry.ts";

const MOST_THREADS = 1024;
const NODE_DEVICES = ["cpu", "webgpu", "cuda"] as const;

// With the first import, so that it holds for threads and children that are started later, and for others who load the binding.
if (isMainThread) silenceTelemetry();

type Ort = typeof import("onnxruntime-node");

/**
 * Loaded with the first runtime, since only then is it needed.
 *
 * @throws {UserError} if the package or its binding is missing
 */
function loadOrt(): Ort {
  silenceTelemetry();
  try {
    return createRequire(import.meta.url)("onnxruntime-node");
  } catch (cause) {
    throw new UserError(`runtime: ${whatIsMissing(cause)}`, { cause });
  }
}

function whatIsMissing(cause: unknown): string {
  const install = `npm install --ignore-scripts onnxruntime-node@${ORT_VERSION}`;
  const found = firstLine(cause);
  if (/^Cannot find module 'onnxruntime-node'/.test(found))
    return `the package onnxruntime-node expected, found none; run '${install}' (its script only fetches CUDA, and fails without a network)`;
  return (
    `the binding of onnxruntime-node for ${process.platform} ${process.arch} expected, found none that works (${found}); ` +
    `remove node_modules/onnxruntime-node, then run '${install}' (it has bindings for Linux with glibc, macOS and Windows, x64 and arm64)`
  );
}

/**
 * ONNX Runtime in Node.
 *
 * @param options `device`: where to compute, default "cpu"; `threads`: for each operator, default: the cores that this process may use
 * @throws {UserError} if the device is unknown or ONNX Runtime is not installed; if the device is not there, `createSession` throws:
 *   nothing falls back in silence
 */
export function createNodeRuntime(options: { device?: string; threads?: number } = {}): Runtime {
  const { device = "cpu", threads = availableParallelism() } = options;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= MOST_THREADS))
    throw new UserError(
      `threads: a whole number from 1 to ${MOST_THREADS} expected, found ${typeof threads === "number" ? threads : JSON.stringify(threads)}; leave it out for all cores`,
    );
  if (!isNodeDevice(device))
    throw new UserError(`device: ${NODE_DEVICES.join(", ")} expected, found ${device}; choose one of them`);
  const ort = loadOrt();
  return {
    device,
    threads,
    createSession: (model, options) => createSession(ort, device, model, { threads, ...options }),
    tensor: tensorMaker(ort.Tensor),
  };
}

function isNodeDevice(device: string): device is (typeof NODE_DEVICES)[number] {
  return (NODE_DEVICES as readonly string[]).includes(device);
}

async function createSession(
  ort: Ort,
  device: Device,
  model: Uint8Array,
  options: SessionOptions,
): Promise<InferenceSession> {
  const settings: InferenceSession.SessionOptions = {
    executionProviders: [device],
    graphOptimizationLevel: options.optimizeFor === "training" ? "extended" : "all",
    // A pattern of the first run's memory would be laid out beside that memory, which stays: twice as much.
    enableMemPattern: options.optimizeFor !== "training",
    ...residentOutputs(device, options),
    ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
    logSeverityLevel: options.quiet ? 4 : 3,
    // Idle threads of one session would otherwise spin against those of the next one.
    extra: { session: { force_spinning_stop: "1" } },
    ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
  };
  try {
    return await ort.InferenceSession.create(model, settings);
  } catch (cause) {
    if (device === "cpu") throw cause;
    const there = ort.listSupportedBackends().filter(({ bundled }) => bundled);
    throw new UserError(
      `device: a working ${device} expected, found none (${firstLine(cause)}); use --device cpu` +
        (device === "cuda" ? ", or install CUDA and the CUDA libraries of onnxruntime-node" : "") +
        ` (this installation carries ${there.map(({ name }) => name).join(", ")})`,
      { cause },
    );
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!.slice(0, 160);
}
