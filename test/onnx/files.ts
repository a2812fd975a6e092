/** Small ONNX files, as somebody else's exporter would write them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { type Attribute, ModelSchema, type Node, NodeSchema, type Tensor } from "../../src/graph/onnx_pb.ts";
import { storedFloats, storedIntegers, typeNumber } from "../../src/onnx/stored-tensor.ts";
import { normal, seededRandom } from "../../src/random.ts";

export interface FileParts {
  readonly opset?: number;
  readonly domains?: readonly (readonly [string, number])[];
  readonly inputs: readonly (readonly [name: string, dims: readonly (number | string)[], type?: string])[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  readonly constants?: readonly Tensor[];
  /** Constants listed among the inputs, as files of IR version 3 do. */
  readonly listConstants?: boolean;
}

type Value = number | string | readonly number[] | { readonly float: number } | { readonly floats: readonly number[] };

export function op(
  opType: string,
  input: readonly string[],
  output: string | readonly string[],
  attributes: Readonly<Record<string, Value>> = {},
  domain?: string,
): Node {
  const attribute = Object.entries(attributes).map(([name, value]): Partial<Attribute> => {
    if (typeof value === "number") return { name, type: 2, i: BigInt(value) };
    if (typeof value === "string") return { name, type: 3, s: new TextEncoder().encode(value) };
    if ("float" in value) return { name, type: 1, f: value.float };
    if ("floats" in value) return { name, type: 6, floats: [...value.floats] };
    return { name, type: 7, ints: value.map(BigInt) };
  });
  const outputs = typeof output === "string" ? [output] : [...output];
  return create(NodeSchema, {
    opType,
    name: `${opType} ${outputs[0]}`,
    input: [...input],
    output: outputs,
    attribute: attribute as Attribute[],
    ...(domain ? { domain } : {}),
  });
}

export function onnxFile(parts: FileParts): Uint8Array {
  const { opset = 17, domains = [], inputs, outputs, nodes, constants = [], listConstants = false } = parts;
  const value = (name: string, dims: readonly (number | string)[], type: string) => ({
    name,
    type: {
      value: {
        case: "tensorType" as const,
        value: {
          elemType: typeNumber(type),
          shape: {
            dim: dims.map((size) => ({
              value:
                typeof size === "number"
                  ? { case: "dimValue" as const, value: BigInt(size) }
                  : { case: "dimParam" as const, value: size },
            })),
          },
        },
      },
    },
  });
  const listed = listConstants ? constants.map(({ name, dims }) => value(name!, dims.map(Number), "float32")) : [];
  return toBinary(
    ModelSchema,
    create(ModelSchema, {
      irVersion: listConstants ? 3n : 8n,
      producerName: "test",
      opsetImport: [["", opset] as const, ...domains].map(([domain, version]) => ({
        domain,
        version: BigInt(version),
      })),
      graph: {
        name: "g",
        node: [...nodes],
        initializer: [...constants],
        input: [...listed, ...inputs.map(([name, dims, type = "float32"]) => value(name, dims, type))],
        output: outputs.map((name) => ({ name })),
      },
    }),
  );
}

/** Seeded normal numbers, divided by the root of what flows into each output. */
export function weight(name: string, dims: readonly number[], seed: number): Tensor {
  const random = seededRandom(seed, 0x3e16);
  const count = dims.reduce((product, size) => product * size, 1);
  const scale = Math.sqrt(count / dims[0]!);
  return storedFloats(
    name,
    Array.from({ length: count }, () => normal(random) / scale),
    [...dims],
  );
}

export { storedFloats, storedIntegers };

export interface SmallOptions extends Partial<FileParts> {
  readonly classes?: number;
  readonly side?: number;
  readonly seed?: number;
}

/**
 * Three blocks on pictures [B, 3, side, side], the second and third with a way around, the way PyTorch writes them: the flattening
 * computes its shape as it runs. Blocks end at a, b and c.
 */
export function smallParts({ classes = 10, side = 8, seed = 1, ...others }: SmallOptions = {}): FileParts {
  const conv = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
  return {
    inputs: [["input", ["batch", 3, side, side]]],
    outputs: ["output"],
    nodes: [
      op("Conv", ["input", "w1", "b1"], "conv1", conv),
      op("Relu", ["conv1"], "a"),
      op("Conv", ["a", "w2"], "conv2", conv),
      op("Add", ["conv2", "a"], "sum2"),
      op("Relu", ["sum2"], "b"),
      op("Conv", ["b", "w3"], "conv3", { ...conv, strides: [2, 2] }),
      op("Relu", ["conv3"], "relu3"),
      op("Conv", ["relu3", "w4"], "conv4", conv),
      op("Add", ["conv4", "relu3"], "sum4"),
      op("Relu", ["sum4"], "c"),
      op("GlobalAveragePool", ["c"], "pooled"),
      op("Shape", ["pooled"], "shape"),
      op("Constant", [], "zero", { value_int: 0 }),
      op("Gather", ["shape", "zero"], "rows", { axis: 0 }),
      op("Unsqueeze", ["rows", "first"], "rows1"),
      op("Concat", ["rows1", "rest"], "flat shape", { axis: 0 }),
      op("Reshape", ["pooled", "flat shape"], "flat"),
      op("Gemm", ["flat", "w5", "b5"], "output", { transB: 1 }),
    ],
    constants: [
      weight("w1", [8, 3, 3, 3], seed),
      weight("b1", [8], seed + 1),
      weight("w2", [8, 8, 3, 3], seed + 2),
      weight("w3", [12, 8, 3, 3], seed + 3),
      weight("w4", [12, 12, 3, 3], seed + 4),
      weight("w5", [classes, 12], seed + 5),
      weight("b5", [classes], seed + 6),
      storedIntegers("first", [0]),
      storedIntegers("rest", [-1]),
    ],
    ...others,
  };
}
