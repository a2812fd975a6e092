import type { InferenceSession, TypedTensor } from "onnxruntime-common";

export type Device = "cpu" | "webgpu" | "cuda" | "wasm";

export interface SessionOptions {
  /** Threads inside one operator; default: what the runtime was made with. */
  readonly threads?: number;
  /**
   * "inference" (default) also moves convolutions with constant weights to ONNX Runtime's blocked layout;
   * "training", where weights change, does without: converting back and forth would cost more than it saves.
   */
  readonly optimizeFor?: "inference" | "training";
  /** Outputs that stay in the memory of a graphics processor, with WebGPU, for a later run to take from there. */
  readonly resident?: readonly string[];
  /** Writes ONNX Runtime's own profile to a file with this prefix. */
  readonly profilePrefix?: string;
}

/** The part of a session's options that leaves outputs where they were computed; only WebGPU has it. */
export function residentOutputs(device: Device, { resident = [] }: SessionOptions) {
  if (device !== "webgpu") return {};
  return { preferredOutputLocation: Object.fromEntries(resident.map((name) => [name, "gpu-buffer" as const])) };
}

/** What the rest of the code sees of ONNX Runtime: Node and the browser hand in their own. */
export interface Runtime {
  readonly device: Device;
  readonly threads: number;
  createSession(model: Uint8Array, options?: SessionOptions): Promise<InferenceSession>;
  tensor(data: Float32Array, shape: readonly number[]): TypedTensor<"float32">;
}
