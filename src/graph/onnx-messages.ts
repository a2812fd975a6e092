/** Tensors, attributes and types as messages of the ONNX format. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { bytesOf, DATA_TYPES, isTypedArray, type TensorData } from "./elements.ts";
import {
  type Attribute,
  AttributeSchema,
  type Tensor as OnnxTensor,
  TensorSchema,
  type ValueInfo,
  ValueInfoSchema,
} from "./onnx_pb.ts";
import type { Body, Attribute as GivenAttribute, Tensor } from "./tensor.ts";

const BATCH_DIMENSION = "B";

/** Numbers that the ONNX format gives to kinds of attributes. */
export const ATTRIBUTE_TYPES = {
  float: 1,
  integer: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  integers: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;

/** @param batch the axis that may have any size; null where none may */
export function valueInfo(name: string, { shape, type }: Tensor, batch: number | null): ValueInfo {
  const dim = shape.map((size, axis) => ({
    value:
      axis === batch
        ? { case: "dimParam" as const, value: BATCH_DIMENSION }
        : { case: "dimValue" as const, value: BigInt(size) },
  }));
  const tensorType = { elemType: DATA_TYPES[type], shape: { dim } };
  return create(ValueInfoSchema, { name, type: { value: { case: "tensorType", value: tensorType } } });
}

export function constantMessage(data: TensorData, { shape, type }: Tensor, name?: string): OnnxTensor {
  return create(TensorSchema, {
    ...(name === undefined ? {} : { name }),
    dims: shape.map(BigInt),
    dataType: DATA_TYPES[type],
    ...(isTypedArray(data) ? { rawData: bytesOf(data) } : { stringData: data.map((text) => utf8(text)) }),
  });
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** An attribute without graphs. */
export function plainAttribute(name: string, value: Exclude<GivenAttribute, Body | { graphs: unknown }>): Attribute {
  const type = ATTRIBUTE_TYPES;
  const write = (fields: MessageInitShape<typeof AttributeSchema>): Attribute =>
    create(AttributeSchema, { name, ...fields });
  if (typeof value === "string") return write({ type: type.string, s: utf8(value) });
  if (typeof value !== "object") return write({ type: type.integer, i: BigInt(value) });
  if ("float" in value) return write({ type: type.float, f: value.float });
  if ("floats" in value) return write({ type: type.floats, floats: [...value.floats] });
  if ("strings" in value) return write({ type: type.strings, strings: value.strings.map(utf8) });
  if ("tensor" in value) return write({ type: type.tensor, t: tensorValue(name, value.tensor) });
  if ("tensors" in value)
    return write({ type: type.tensors, tensors: value.tensors.map((one) => tensorValue(name, one)) });
  return write({ type: type.integers, ints: value.map(BigInt) });
}

function tensorValue(attribute: string, tensor: Tensor): OnnxTensor {
  const { source } = tensor;
  if (source.kind === "constant") return constantMessage(source.data, tensor);
  throw new TypeError(`graph: constants in attribute ${attribute} expected, found a tensor that is computed or fed`);
}
