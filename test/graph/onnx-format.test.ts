import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { exp } from "../../src/graph/elementwise.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { GraphSchema, ModelSchema, TensorSchema } from "../../src/graph/onnx_pb.ts";
import { input } from "../../src/graph/tensor.ts";

describe("the schema of the ONNX format", () => {
  test("keeps fields that it does not know", () => {
    const known = serialize({ outputs: { y: exp(input("x", [2])) } }).bytes;
    const unknown = [0xd2, 0x01, 0x02, 0x0a, 0x00, 0xa0, 0x06, 0x05]; // field 26 (configuration) of 2 bytes, field 100 the number 5
    const bytes = Uint8Array.from([...known, ...unknown]);
    expect(toBinary(ModelSchema, fromBinary(ModelSchema, bytes))).toEqual(bytes);
  });

  test("reads lists of numbers packed and one by one", () => {
    const dims = [2n, 3n];
    expect(fromBinary(TensorSchema, Uint8Array.of(0x08, 2, 0x08, 3)).dims).toEqual(dims);
    expect(fromBinary(TensorSchema, Uint8Array.of(0x0a, 2, 2, 3)).dims).toEqual(dims);
    expect(fromBinary(TensorSchema, Uint8Array.of(0x2a, 2, 7, 8)).int32Data).toEqual([7, 8]);
    expect(fromBinary(TensorSchema, Uint8Array.of(0x28, 7, 0x28, 8)).int32Data).toEqual([7, 8]);
  });

  test("knows doc strings, sparse initializers and where external data lies", () => {
    const tensor = [0x6a, 7, 0x0a, 1, 0x6b, 0x12, 2, 0x76, 0x77, 0x70, 1]; // external_data {k: vw}, data_location 1
    const { externalData, dataLocation } = fromBinary(TensorSchema, Uint8Array.from(tensor));
    expect(externalData.map(({ key, value }) => [key, value])).toEqual([["k", "vw"]]);
    expect(dataLocation).toBe(1);
    const graph = fromBinary(GraphSchema, Uint8Array.of(0x52, 2, 0x68, 0x69, 0x7a, 2, 0x18, 5));
    expect(graph.docString).toBe("hi");
    expect(graph.sparseInitializer.map(({ dims }) => dims)).toEqual([[5n]]);
  });
});
