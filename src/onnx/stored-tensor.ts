/** A tensor as an ONNX file stores it, read whichever of the format's ways it is stored in. */
import { create } from "@bufbuild/protobuf";
import { UserError } from "../errors.ts";
import { type Tensor as StoredTensor, TensorSchema } from "../graph/onnx_pb.ts";

/** Names of element types by the numbers that the ONNX format gives them; those that ONNX Runtime's bindings can hold. */
export const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  16: "bfloat16",
  21: "uint4",
  22: "int4",
};

/** Bytes of one value; absent for text. */
const BYTES: Readonly<Record<string, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
  bfloat16: 2,
  uint4: 0.5,
  int4: 0.5,
};

export function typeName(dataType: number | undefined): string {
  return TYPE_NAMES[dataType ?? 0] ?? `type ${dataType}`;
}

export function typeNumber(name: string): number {
  const found = Object.entries(TYPE_NAMES).find(([, one]) => one === name);
  if (!found) throw new RangeError(`onnx: an element type expected, found ${name}`);
  return Number(found[0]);
}

export function dimensions({ dims }: StoredTensor): number[] {
  return dims.map(Number);
}

export function bytesPerValue(type: string): number {
  return BYTES[type] ?? 0;
}

/** How many bytes its values take. */
export function storedBytes(tensor: StoredTensor): number {
  const count = dimensions(tensor).reduce((product, size) => product * size, 1);
  return Math.ceil(count * bytesPerValue(typeName(tensor.dataType)));
}

/**
 * The values, little-endian, one after the other, as `raw_data` has them.
 *
 * @throws {UserError} if there are more or fewer than the shape says, or they lie in a file that was not read
 */
export function rawBytes(tensor: StoredTensor): Uint8Array {
  const expected = storedBytes(tensor);
  const bytes = tensor.rawData ?? fromNumbers(tensor);
  if (bytes.length !== expected)
    throw new UserError(
      `tensor ${tensor.name}: ${expected} bytes expected for ${typeName(tensor.dataType)} [${tensor.dims}], ` +
        `found ${bytes.length}${tensor.dataLocation === 1 ? " (its values lie in another file)" : ""}; the file is damaged`,
    );
  return bytes;
}

/** From the lists that the format offers beside `raw_data`. */
function fromNumbers(tensor: StoredTensor): Uint8Array {
  const { floatData, int32Data, int64Data, doubleData, uint64Data } = tensor;
  switch (typeName(tensor.dataType)) {
    case "float32":
      return bytesOf(Float32Array.from(floatData));
    case "float64":
      return bytesOf(Float64Array.from(doubleData));
    case "int64":
      return bytesOf(BigInt64Array.from(int64Data));
    case "uint64":
      return bytesOf(BigUint64Array.from(uint64Data));
    case "uint32":
      return bytesOf(Uint32Array.from(uint64Data, Number));
    case "int32":
      return bytesOf(Int32Array.from(int32Data));
    case "uint16":
    case "int16":
    case "float16":
    case "bfloat16":
      return bytesOf(Uint16Array.from(int32Data));
    default:
      return bytesOf(Uint8Array.from(int32Data));
  }
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Whole numbers, such as a shape or axes; null if they are of another kind. */
export function integersOf(tensor: StoredTensor): number[] | null {
  const type = typeName(tensor.dataType);
  const bytes = new Uint8Array(rawBytes(tensor)); // aligned
  if (type === "int64") return Array.from(new BigInt64Array(bytes.buffer), Number);
  return type === "int32" ? Array.from(new Int32Array(bytes.buffer)) : null;
}

export function storedIntegers(name: string, values: readonly number[], dims = [values.length]): StoredTensor {
  return stored(name, "int64", dims, bytesOf(BigInt64Array.from(values, BigInt)));
}

export function storedFloats(name: string, values: readonly number[], dims = [values.length]): StoredTensor {
  return stored(name, "float32", dims, bytesOf(Float32Array.from(values)));
}

export function stored(name: string, type: string, dims: readonly number[], rawData: Uint8Array): StoredTensor {
  return create(TensorSchema, { name, dataType: typeNumber(type), dims: dims.map(BigInt), rawData });
}
