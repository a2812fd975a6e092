/** What the elements of a tensor may be, and the arrays that hold them: those of ONNX, the complex and the 4 and 8 bit floats left out. */
import { Float16Array } from "@petamoriken/float16";

/** The array for each element type. float16 and bfloat16 are held by their bits, bool by 0 and 1. */
export interface ElementArrays {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly float16: Uint16Array;
  readonly bfloat16: Uint16Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  readonly bool: Uint8Array;
  readonly string: readonly string[];
}

export type ElementType = keyof ElementArrays;
export type TensorData = ElementArrays[ElementType];
export type TypedArray = Exclude<TensorData, readonly string[]>;

/** Numbers that the ONNX format gives to element types. */
export const DATA_TYPES: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** Whether this array can hold elements of that type. */
export function holds(data: TensorData, type: ElementType): boolean {
  return type === "string" ? Array.isArray(data) : data instanceof ARRAYS[type];
}

/** The type of which this kind of array says most: bits of float16 and bool have to be named. */
export function typeOf(data: TensorData): ElementType {
  if (!isTypedArray(data)) return "string";
  const types = Object.keys(ARRAYS) as (keyof typeof ARRAYS)[];
  const plain = types.filter((type) => type !== "float16" && type !== "bfloat16" && type !== "bool");
  return plain.find((type) => data instanceof ARRAYS[type])!;
}

export function isTypedArray(data: TensorData): data is TypedArray {
  return !Array.isArray(data);
}

/** Numbers as elements of a type: rounded to the nearest for floats, false and true as 0 and 1. @throws {TypeError} for strings */
export function elementsOf<Type extends ElementType>(numbers: readonly number[], type: Type): ElementArrays[Type];
export function elementsOf(numbers: readonly number[], type: ElementType): TensorData {
  switch (type) {
    case "string":
      throw new TypeError("elements: strings expected, found numbers");
    case "int64":
      return BigInt64Array.from(numbers, BigInt);
    case "uint64":
      return BigUint64Array.from(numbers, BigInt);
    case "float16":
      return new Uint16Array(Float16Array.from(numbers).buffer as ArrayBuffer);
    case "bfloat16":
      return Uint16Array.from(numbers, bfloat16Bits);
    default:
      return ARRAYS[type].from(numbers);
  }
}

/** The upper half of a float32, rounded to the nearest, at a tie to even. */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const [bits] = new Uint32Array(Float32Array.of(value).buffer) as unknown as [number];
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The bytes as they lie in memory: little-endian, as in every file format that we write. */
export function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** Bytes as elements; a copy, so that they need not be aligned. @throws {RangeError} if they are not a whole number of elements */
export function elementsFromBytes(bytes: Uint8Array, type: Exclude<ElementType, "string">): TypedArray {
  const array = ARRAYS[type];
  if (bytes.length % array.BYTES_PER_ELEMENT !== 0)
    throw new RangeError(`elements: a multiple of ${array.BYTES_PER_ELEMENT} bytes expected, found ${bytes.length}`);
  return new array(bytes.slice().buffer);
}
