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
  /** Writes ONNX Runtime's own profile to a file with this prefix. */
  readonly profilePrefix?: string;
}

/** What the rest of the code sees of ONNX Runtime: Node and the browser hand in their own. */
export interface Runtime {
  readonly device: Device;
  readonly threads: number;
  createSession(model: Uint8Array, options?: SessionOptions): Promise<InferenceSession>;
  tensor(data: Float32Array, shape: readonly number[]): TypedTensor<"float32">;
}
