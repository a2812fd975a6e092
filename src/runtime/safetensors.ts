import { z } from "zod";
import { UserError } from "../errors.ts";
import { type Shape, sizeOf } from "../graph/tensor.ts";

export interface StoredArray {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

const TYPES = { F32: Float32Array, I32: Int32Array } as const;

/**
 * Named arrays as a safetensors file: 8 bytes length of the header, the header as JSON, the values, little endian.
 * The same arrays give the same bytes.
 *
 * @see https://github.com/huggingface/safetensors for the format; here only F32 and I32
 */
export function encodeSafetensors(arrays: ReadonlyMap<string, StoredArray>): Uint8Array {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [name, { shape, data }] of arrays) {
    const dtype = data instanceof Float32Array ? "F32" : "I32";
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = Math.ceil((8 + json.length) / 8) * 8; // padded with spaces, so that values are aligned
  const bytes = new Uint8Array(start + end).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(json, 8);
  let offset = start;
  for (const { data } of arrays.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/**
 * @param where the file's name, for the message
 * @throws {UserError} if the bytes are not such a file
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Map<string, StoredArray> {
  const broken = (expected: string, found: unknown): UserError =>
    new UserError(
      `${where}: ${expected} expected, found ${found}; the file is damaged or not a safetensors file, get it again`,
    );
  if (bytes.length < 8) throw broken("at least 8 bytes", bytes.length);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) throw broken(`a header of at most ${bytes.length - 8} bytes`, length);
  const header = parseHeader(new TextDecoder().decode(bytes.subarray(8, 8 + length)), broken);
  const arrays = new Map<string, StoredArray>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    const Type = TYPES[dtype as keyof typeof TYPES];
    const [from, to] = data_offsets;
    if (!Type) throw broken(`${name} of type ${Object.keys(TYPES).join(" or ")}`, dtype);
    if (to - from !== 4 * sizeOf(shape) || 8 + length + to > bytes.length)
      throw broken(
        `${4 * sizeOf(shape)} bytes for ${name}`,
        `${Math.min(to - from, bytes.length - 8 - length - from)}`,
      );
    arrays.set(name, { shape, data: new Type(copyOf(bytes.subarray(8 + length + from, 8 + length + to))) });
  }
  return arrays;
}

/** `slice` would do, but that of a Node buffer does not copy. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

const size = z.int().min(0);
const headerSchema = z.record(
  z.string(),
  z.object({ dtype: z.string(), shape: z.array(size), data_offsets: z.tuple([size, size]) }),
);

function parseHeader(
  text: string,
  broken: (expected: string, found: unknown) => UserError,
): z.output<typeof headerSchema> {
  try {
    const { __metadata__: _, ...entries } = JSON.parse(text) as Record<string, unknown>;
    return headerSchema.parse(entries);
  } catch {
    throw broken("a JSON header with dtype, shape and data_offsets of each array", JSON.stringify(text.slice(0, 20)));
  }
}

/** One float32 array of the given rank. @throws {UserError} if it is missing or of another type or rank */
export function floatArray(arrays: ReadonlyMap<string, StoredArray>, name: string, rank: number, where: string) {
  const found = arrays.get(name);
  if (!found || !(found.data instanceof Float32Array) || found.shape.length !== rank)
    throw new UserError(
      `${where}: float32 array ${name} of rank ${rank} expected, found ${found ? `${found.data.constructor.name} [${found.shape}]` : `only ${[...arrays.keys()].slice(0, 8).join(", ")}`}; check how the file was written`,
    );
  return { shape: found.shape, data: found.data };
}
