import { f16round, setFloat16 } from "@petamoriken/float16";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { type Shape, sizeOf } from "../graph/tensor.ts";
import { parseJson } from "./json.ts";

export interface StoredArray {
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array | Int32Array | Int8Array;
}

/** How many bytes a value takes, and how an array of them is read. */
const TYPES: Readonly<Record<string, { bytesPerValue: number; read: (bytes: Uint8Array) => StoredArray["data"] }>> = {
  F64: { bytesPerValue: 8, read: (bytes) => new Float64Array(copyOf(bytes)) },
  F32: { bytesPerValue: 4, read: (bytes) => new Float32Array(copyOf(bytes)) },
  F16: { bytesPerValue: 2, read: fromHalves },
  /** As float64, which is exact up to 2^53. */
  I64: { bytesPerValue: 8, read: (bytes) => Float64Array.from(new BigInt64Array(copyOf(bytes)), Number) },
  I32: { bytesPerValue: 4, read: (bytes) => new Int32Array(copyOf(bytes)) },
  I8: { bytesPerValue: 1, read: (bytes) => new Int8Array(copyOf(bytes)) },
  // what other frameworks write, and we do not
  BF16: { bytesPerValue: 2, read: fromBrainHalves },
  I16: { bytesPerValue: 2, read: (bytes) => Int32Array.from(new Int16Array(copyOf(bytes))) },
  U16: { bytesPerValue: 2, read: (bytes) => Int32Array.from(new Uint16Array(copyOf(bytes))) },
  U8: { bytesPerValue: 1, read: (bytes) => Int32Array.from(bytes) },
  BOOL: { bytesPerValue: 1, read: (bytes) => Int32Array.from(bytes) },
  U32: { bytesPerValue: 4, read: (bytes) => Float64Array.from(new Uint32Array(copyOf(bytes))) },
  U64: { bytesPerValue: 8, read: (bytes) => Float64Array.from(new BigUint64Array(copyOf(bytes)), Number) },
};

/** Bounds that no network comes near: what a damaged header claims is not believed. */
export const MOST_HEADER_BYTES = 2 ** 24;
const MOST_ARRAYS = 100_000;
/** Bytes that may lie between two arrays, for alignment. */
const MOST_PADDING = 63;

/**
 * Named arrays as a safetensors file: 8 bytes length of the header, the header as JSON, the values, little endian.
 * The same arrays give the same bytes.
 *
 * @param halve arrays that hold nothing but half-precision numbers are stored as such, which loses nothing
 * @see https://github.com/huggingface/safetensors for the format; written are float32, float64, int32 and, with `halve`, float16
 */
export function encodeSafetensors(
  arrays: ReadonlyMap<string, StoredArray>,
  { halve = false }: { halve?: boolean } = {},
): Uint8Array {
  const header: Record<string, unknown> = {};
  let end = 0;
  const values: Uint8Array[] = [];
  for (const [name, { shape, data }] of arrays) {
    const isHalf = halve && data instanceof Float32Array && data.every((one) => f16round(one) === one);
    const dtype = isHalf ? "F16" : dtypeOf(data);
    const { buffer, byteOffset, byteLength } = isHalf ? toHalves(data) : data;
    header[name] = { dtype, shape, data_offsets: [end, end + byteLength] };
    values.push(new Uint8Array(buffer, byteOffset, byteLength));
    end += byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = Math.ceil((8 + json.length) / 8) * 8; // padded with spaces, so that values are aligned
  const bytes = new Uint8Array(start + end).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(json, 8);
  let offset = start;
  for (const one of values) {
    bytes.set(one, offset);
    offset += one.length;
  }
  return bytes;
}

function dtypeOf(data: StoredArray["data"]): string {
  if (data instanceof Int8Array) return "I8";
  if (data instanceof Int32Array) return "I32";
  return data instanceof Float64Array ? "F64" : "F32";
}

/**
 * The layout must be exact: arrays lie one behind the other, none over another, none outside the file, nothing behind the last one.
 *
 * @param where the file's name, for the message
 * @param wanted names of the arrays to read; default: all
 * @throws {UserError} if the bytes are not such a file, or an array is of a type that is not read
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  where: string,
  wanted?: readonly string[],
): Map<string, StoredArray> {
  const { header, start } = readHeader(bytes, where);
  const arrays = new Map<string, StoredArray>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (wanted && !wanted.includes(name)) continue;
    const [from, to] = data_offsets;
    const { read } = valueType(name, dtype, where);
    arrays.set(name, { shape, data: read(bytes.subarray(start + from, start + to)) });
  }
  return arrays;
}

/** How values of a type are read. @throws {UserError} if they are not */
export function valueType(name: string, dtype: string, where: string) {
  const type = Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (type) return type;
  throw new UserError(
    `${where}: ${name} of type ${Object.keys(TYPES).join(", ")} expected, found ${dtype}; write it as one of these`,
  );
}

/** What a file holds, for messages: "logits F32 [100, 4, 10]". @throws {UserError} if it is not such a file */
export function listSafetensors(bytes: Uint8Array, where: string): string[] {
  return listed(readHeader(bytes, where).header);
}

export function listed(header: Header): string[] {
  return Object.entries(header).map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape.join(", ")}]`);
}

/** What a file holds: type, shape, and where the values lie behind the header. */
export type Header = z.output<typeof headerSchema>;
type Broken = (expected: string, found: unknown) => UserError;

/**
 * @param bytes the file, or as much of its beginning as the header takes
 * @param size of the whole file
 * @throws {UserError} if it is no such file, or its arrays do not lie in it as they should
 */
export function readHeader(bytes: Uint8Array, where: string, size = bytes.length): { header: Header; start: number } {
  const broken: Broken = (expected, found) =>
    new UserError(
      `${where}: ${expected} expected, found ${found}; the file is damaged or not a safetensors file, get it again`,
    );
  if (bytes.length < 8) throw broken("at least 8 bytes", bytes.length);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const most = Math.min(size - 8, MOST_HEADER_BYTES);
  if (length > most) throw broken(`a header of at most ${most} bytes`, length);
  const header = parseHeader(bytes.subarray(8, 8 + length), where, broken);
  checkLayout(header, size - 8 - length, broken);
  return { header, start: 8 + length };
}

/** @param size bytes behind the header */
function checkLayout(header: Header, size: number, broken: Broken): void {
  const entries = Object.entries(header);
  if (entries.length > MOST_ARRAYS) throw broken(`at most ${MOST_ARRAYS} arrays`, entries.length);
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    const [from, to] = data_offsets;
    const perValue = Object.hasOwn(TYPES, dtype) ? TYPES[dtype]!.bytesPerValue : undefined;
    const expected = perValue === undefined ? to - from : perValue * sizeOf(shape);
    if (to - from !== expected || to > size)
      throw broken(`${expected} bytes for ${name}`, `${Math.min(to - from, size - from)}`);
  }
  let end = 0;
  for (const [name, { data_offsets }] of entries.sort(
    ([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
  )) {
    const [from, to] = data_offsets;
    if (from < end) throw broken(`${name} behind the array before it`, `${end - from} bytes of it inside`);
    if (from - end > MOST_PADDING)
      throw broken(`${name} directly behind the array before it`, `${from - end} bytes between`);
    end = to;
  }
  if (size > end)
    throw broken(`an end behind the last array, at byte ${end} of the values`, `${size - end} bytes more`);
}

function toHalves(values: Float32Array): DataView {
  const halves = new DataView(new ArrayBuffer(2 * values.length));
  for (let i = 0; i < values.length; i++) setFloat16(halves, 2 * i, values[i]!, true);
  return halves;
}

/** Looked up in a table, which for millions of values takes milliseconds. */
function fromHalves(bytes: Uint8Array): Float32Array {
  const isAligned = bytes.byteOffset % 2 === 0;
  const halves = isAligned
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
    : new Uint16Array(copyOf(bytes));
  const values = new Float32Array(halves.length);
  valueOfHalf ??= Float32Array.from({ length: 65536 }, (_, bits) => halfFromBits(bits));
  for (let i = 0; i < halves.length; i++) values[i] = valueOfHalf[halves[i]!]!;
  return values;
}

/** The upper halves of float32. */
function fromBrainHalves(bytes: Uint8Array): Float32Array {
  const words = Uint32Array.from(new Uint16Array(copyOf(bytes)), (half) => half * 65536);
  return new Float32Array(words.buffer);
}

let valueOfHalf: Float32Array | undefined;

/** IEEE 754 binary16: sign, 5 bits exponent, 10 bits fraction. The library takes 90 ms for all of them, at every start. */
export function halfFromBits(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * ((exponent === 0 ? 0 : 1024) + fraction) * 2 ** (Math.max(exponent, 1) - 25);
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

function parseHeader(bytes: Uint8Array, where: string, broken: Broken): Header {
  try {
    const { __metadata__: _, ...entries } = parseJson(bytes, where) as Record<string, unknown>;
    return headerSchema.parse(entries);
  } catch (error) {
    if (error instanceof UserError && /twice/.test(error.message)) throw error;
    const text = new TextDecoder().decode(bytes.subarray(0, 20));
    throw broken("a JSON header with dtype, shape and data_offsets of each array", JSON.stringify(text));
  }
}

/** One float32 array of the given rank. @throws {UserError} if it is missing, of another type or rank, or a value is no number */
export function floatArray(arrays: ReadonlyMap<string, StoredArray>, name: string, rank: number, where: string) {
  const found = arrays.get(name);
  if (!found || !(found.data instanceof Float32Array) || found.shape.length !== rank)
    throw new UserError(
      `${where}: float32 array ${name} of rank ${rank} expected, found ${found ? `${found.data.constructor.name} [${found.shape}]` : `only ${[...arrays.keys()].slice(0, 8).join(", ")}`}; check how the file was written`,
    );
  const wrong = found.data.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new UserError(
      `${where}: finite numbers in ${name} expected, found ${found.data[wrong]} at place ${wrong}; find out what wrote it, or get the file again`,
    );
  return { shape: found.shape, data: found.data };
}
