import { availableParallelism } from "node:os";
import { InferenceSession, listSupportedBackends, Tensor } from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { type Device, type Runtime, residentOutputs, type SessionOptions, tensorMaker } from "./runtime.ts";

const NODE_DEVICES = ["cpu", "webgpu", "cuda"] as const;

/**
 * ONNX Runtime in Node.
 *
 * @param device where to compute; default "cpu"
 * @param threads for each operator; default: the cores that this process may use
 * @throws {UserError} if the device is unknown; if it is not there, `createSession` throws: nothing falls back in silence
 */
export function createNodeRuntime({
  device = "cpu",
  threads = availableParallelism(),
}: {
  device?: string;
  threads?: number;
} = {}): Runtime {
  if (!isNodeDevice(device))
    throw new UserError(`device: ${NODE_DEVICES.join(", ")} expected, found ${device}; choose one of them`);
  return {
    device,
    threads,
    createSession: (model, options) => createSession(device, model, { threads, ...options }),
    tensor: tensorMaker(Tensor),
  };
}

function isNodeDevice(device: string): device is (typeof NODE_DEVICES)[number] {
  return (NODE_DEVICES as readonly string[]).includes(device);
}

async function createSession(device: Device, model: Uint8Array, options: SessionOptions): Promise<InferenceSession> {
  const settings: InferenceSession.SessionOptions = {
    executionProviders: [device],
    graphOptimizationLevel: options.optimizeFor === "training" ? "extended" : "all",
    // A pattern of the first run's memory would be laid out beside that memory, which stays: twice as much.
    enableMemPattern: options.optimizeFor !== "training",
    ...residentOutputs(device, options),
    ...(options.threads ? { intraOpNumThreads: options.threads } : {}),
    logSeverityLevel: 3,
    // Idle threads of one session would otherwise spin against those of the next one.
    extra: { session: { force_spinning_stop: "1" } },
    ...(options.profilePrefix ? { enableProfiling: true, profileFilePrefix: options.profilePrefix } : {}),
  };
  try {
    return await InferenceSession.create(model, settings);
  } catch (cause) {
    if (device === "cpu") throw cause;
    const there = listSupportedBackends().filter(({ bundled }) => bundled);
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
