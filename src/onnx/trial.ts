/** Running a file with inner tensors as outputs: ONNX Runtime knows every shape and type, whoever wrote the file. */
import { type InferenceSession, type OnnxValue, Tensor as RuntimeTensor } from "onnxruntime-common";
import { UserError } from "../errors.ts";
import { halfFromBits } from "../files/safetensors.ts";
import { seededRandom, uniform } from "../random.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type FileGraph, type FileInput, modelBytes } from "./onnx-file.ts";
import { bytesOf } from "./stored-tensor.ts";

/** What a run gave. */
export interface Value {
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

export type Values = ReadonlyMap<string, Value>;

/**
 * A session whose outputs are these tensors.
 *
 * @throws {UserError} if ONNX Runtime does not take the file
 */
export async function openFile(
  runtime: Runtime,
  graph: FileGraph,
  outputs: readonly string[],
  where: string,
): Promise<InferenceSession> {
  try {
    return await runtime.createSession(modelBytes(graph, outputs), { threads: 1, quiet: true }); // short work: waking others costs more
  } catch (cause) {
    throw refused(cause, where);
  }
}

/** What ONNX Runtime says, as one line. */
function refused(cause: unknown, where: string): UserError {
  const said = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " ");
  const lacking =
    /(\S+)\(-?\d+\) is not a registered function\/op/.exec(said) ??
    /No Op registered for (\S+)/.exec(said) ??
    /Could not find an implementation for (\S+)/.exec(said);
  if (lacking)
    return new UserError(
      `${where}: operators that this ONNX Runtime has expected, found ${lacking[1]}; export the network without it`,
      { cause },
    );
  return new UserError(
    `${where}: a file that ONNX Runtime takes expected, found one of which it says: ${said.slice(0, 300)}; export it again`,
    { cause },
  );
}

/** @param fetched which of the session's outputs are brought over; default: all */
export async function runFile(
  session: InferenceSession,
  feeds: Values,
  fetched: readonly string[] = session.outputNames,
): Promise<Map<string, Value>> {
  const taken = new Set(session.inputNames);
  const given = [...feeds].filter(([name]) => taken.has(name)).map(([name, value]) => [name, runtimeTensor(value)]);
  const results = await session.run(Object.fromEntries(given), fetched, { logSeverityLevel: 4 });
  return new Map(Object.entries(results).map(([name, value]) => [name, resultOf(value)]));
}

function runtimeTensor({ type, shape, data }: Value): RuntimeTensor {
  // the binding's typed arrays by type; the constructor checks them
  return new RuntimeTensor(type as "float32", data as Float32Array, shape);
}

function resultOf(value: OnnxValue): Value {
  const { type, dims, data } = value as { type: string; dims: readonly number[]; data: ArrayBufferView };
  return { type, shape: dims, data };
}

export const values = {
  integers({ type, data }: Value): number[] | null {
    if (type === "int64") return Array.from(data as BigInt64Array, Number);
    return type === "int32" ? Array.from(data as Int32Array) : null;
  },
  /** As float64; halves are decoded. */
  numbers({ type, data }: Value): Float64Array | null {
    if (type === "float32" || type === "float64") return Float64Array.from(data as Float32Array);
    if (type !== "float16") return null;
    const bits = new Uint16Array(new Uint8Array(bytesOf(data)).buffer);
    return Float64Array.from(bits, halfFromBits);
  },
  same(a: Value, b: Value): boolean {
    if (a.shape.join() !== b.shape.join()) return false;
    const [left, right] = [bytesOf(a.data), bytesOf(b.data)];
    return left.length === right.length && left.every((byte, i) => byte === right[i]);
  },
};

/** Sizes of the axes that a file leaves open. */
export interface OpenSizes {
  readonly batch: number;
  /** Height and width of pictures. */
  readonly side: number;
  /** Of everything else, such as the tokens of a text. */
  readonly length: number;
}

/** The axes of an input with numbers in place of names. The first one is the batch, whatever the file says. */
export function sizedDims({ dims }: FileInput, { batch, side, length }: OpenSizes): number[] {
  const isPicture = dims.length === 4;
  const channelsLast = isPicture && dims[3] !== undefined && (dims[3] === 1 || dims[3] === 3) && dims[1] !== 3;
  return dims.map((size, axis) => {
    if (axis === 0) return batch;
    if (typeof size === "number") return size;
    if (!isPicture) return length;
    return axis === (channelsLast ? 3 : 1) ? 3 : side;
  });
}

/** Seeded values for each input; the rows of a larger batch begin with those of a smaller one. */
export function trialFeeds(inputs: readonly FileInput[], sizes: OpenSizes): Map<string, Value> {
  return new Map(
    inputs.map((one, i) => {
      const shape = sizedDims(one, sizes);
      const count = shape.reduce((product, size) => product * size, 1);
      return [one.name, { type: one.type, shape, data: trialData(one, count, i) }];
    }),
  );
}

function trialData({ name, type }: FileInput, count: number, seed: number): ArrayBufferView {
  const random = seededRandom(seed, 0x0a11);
  switch (type) {
    case "float32":
      return Float32Array.from({ length: count }, () => 2 * uniform(random) - 1);
    case "float64":
      return Float64Array.from({ length: count }, () => 2 * uniform(random) - 1);
    case "float16":
      return Uint16Array.from({ length: count }, () => (uniform(random) < 0.5 ? 0x3800 : 0xb400)); // 0.5 or -0.25
    case "uint8":
      return Uint8Array.from({ length: count }, () => Math.floor(256 * uniform(random)));
    case "int8":
      return Int8Array.from({ length: count }, () => Math.floor(256 * uniform(random)) - 128);
    case "int64":
      return BigInt64Array.from({ length: count }, () => 1n);
    case "int32":
      return new Int32Array(count).fill(1);
    case "bool":
      return new Uint8Array(count).fill(1);
    default:
      throw new UserError(
        `input ${name}: float, integer or bool values expected, found ${type}; export the network with one of these`,
      );
  }
}
