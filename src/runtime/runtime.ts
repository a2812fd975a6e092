import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-common";
import { type ElementType, holds, type TensorData, typeOf } from "../graph/elements.ts";
import { type Shape, show, sizeOf } from "../graph/tensor.ts";

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
  /** What goes wrong is thrown, and not written to the terminal besides: for attempts that may fail. */
  readonly quiet?: boolean;
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
  /**
   * The data is not copied.
   *
   * @param type default: what the array says (`typeOf`); bits of float16 and bool have to be named
   * @throws {RangeError} if the shape expects another count
   * @throws {TypeError} if the array cannot hold the type, or the runtime's binding cannot take it: bfloat16
   */
  tensor(data: TensorData, shape: Shape, type?: ElementType): Tensor;
}

/** `Runtime.tensor` of a binding. */
export function tensorMaker(binding: TensorConstructor): Runtime["tensor"] {
  return (data, shape, type = typeOf(data)) => {
    if (data.length !== sizeOf(shape))
      throw new RangeError(`tensor: ${show(shape)} expects ${sizeOf(shape)} values, found ${data.length}`);
    if (!holds(data, type)) throw new TypeError(`tensor: an array of ${type} expected, found ${data.constructor.name}`);
    if (type === "bfloat16")
      throw new TypeError(
        "tensor: a type that ONNX Runtime takes from JavaScript expected, found bfloat16; cast it inside the graph",
      );
    return new binding(type, data as never, shape);
  };
}

/** What a tensor holds, float16 as bits: newer JavaScript engines have an array of its own for it. */
export function dataOf({ data, type }: Pick<Tensor, "data" | "type">): TensorData {
  if (type !== "float16" || data instanceof Uint16Array) return data as TensorData;
  const { buffer, byteOffset, length } = data as unknown as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}
