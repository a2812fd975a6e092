import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Attribute,
  AttributeSchema,
  ModelSchema,
  type Node,
  NodeSchema,
  type Tensor as OnnxTensor,
  TensorSchema,
  type ValueInfo,
  ValueInfoSchema,
} from "./onnx_pb.ts";
import type { Update } from "./optimizer.ts";
import type { Attributes, ElementType, Source, Tensor, Variable } from "./tensor.ts";

/** Version of the standard operator set. Opset 20 is in ONNX Runtime since 1.17. */
export const OPSET = 20;
const IR_VERSION = 9;
const BATCH_DIMENSION = "B";

export interface GraphDefinition {
  /** What a run returns. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** What a run changes. */
  readonly updates?: readonly Update[];
  /** The first axis of every input and output may have any size: the graph's own first sizes are examples. */
  readonly anyBatch?: boolean;
}

export interface SerializedGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly Tensor[];
  readonly variables: readonly Variable[];
  /** The standard operators that occur, sorted. */
  readonly operators: readonly string[];
}

/** Name of the output that carries a variable's next value. */
export function nextName(variable: Variable): string {
  return `next:${variable.source.name}`;
}

/** @throws {RangeError} if two inputs, variables or outputs share a name, or if a graph for any batch changes variables */
export function serialize(definition: GraphDefinition): SerializedGraph {
  const { outputs, updates = [], anyBatch = false } = definition;
  if (anyBatch && updates.length > 0)
    throw new RangeError(`graph: no updates expected with anyBatch, found ${updates.length}`);
  const results: [string, Tensor][] = [
    ...Object.entries(outputs),
    ...updates.map(({ variable, next }): [string, Tensor] => [nextName(variable), next]),
  ];
  const writer = new GraphWriter(results, updates);
  const { inputs, variables } = writer;
  const model = create(ModelSchema, {
    irVersion: BigInt(IR_VERSION),
    producerName: "earlyexit",
    opsetImport: [{ domain: "", version: BigInt(OPSET) }],
    graph: {
      name: "earlyexit",
      node: writer.nodes,
      initializer: writer.constants,
      input: [
        ...inputs.map((tensor) => valueInfo(sourceName(tensor), tensor, anyBatch)),
        ...variables.map((tensor) => valueInfo(sourceName(tensor), tensor, false)),
      ],
      output: results.map(([name, tensor]) => valueInfo(name, tensor, anyBatch)),
    },
  });
  const operators = [...new Set(writer.nodes.map((node) => node.opType!))].sort();
  return { bytes: toBinary(ModelSchema, model), inputs, variables, operators };
}

/** Walks from the results to the inputs; every node is written after the nodes that it needs. */
class GraphWriter {
  readonly nodes: Node[] = [];
  readonly constants: OnnxTensor[] = [];
  readonly inputs: Tensor[] = [];
  readonly variables: Variable[] = [];
  readonly #named = new Map<Source, string>();
  readonly #constantNames = new Map<string, string>();
  readonly #taken = new Map<string, object>();
  /** Names that a node's outputs must have because they are results. */
  readonly #resultNames = new Map<Source, Map<number, string>>();

  constructor(results: readonly [string, Tensor][], updates: readonly Update[]) {
    for (const { variable } of updates) this.#claim(variable.source.name, variable.source);
    for (const result of results) this.#claim(result[0], result);
    for (const [name, { source, index }] of results) {
      const names = this.#resultNames.get(source) ?? new Map<number, string>();
      if (source.kind === "node" && !names.has(index)) this.#resultNames.set(source, names.set(index, name));
    }
    for (const [name, tensor] of results) {
      const computed = this.#name(tensor);
      if (computed !== name)
        this.nodes.push(create(NodeSchema, { opType: "Identity", name, input: [computed], output: [name] }));
    }
  }

  /** Writes what the tensor needs, once, and returns its name in the file. */
  #name(tensor: Tensor): string {
    const { source } = tensor;
    let name = this.#named.get(source);
    if (name === undefined) {
      name = this.#write(source, tensor);
      this.#named.set(source, name);
    }
    return source.kind === "node" ? this.#outputName(source, name, tensor.index) : name;
  }

  #outputName(source: Source, node: string, index: number): string {
    return this.#resultNames.get(source)?.get(index) ?? `${node}:${index}`;
  }

  #write(source: Source, tensor: Tensor): string {
    switch (source.kind) {
      case "constant":
        return this.#writeConstant(source.data, tensor);
      case "node": {
        const input = source.inputs.map((one) => (one ? this.#name(one) : ""));
        const name = `${source.operator}_${this.nodes.length}`;
        const output = Array.from({ length: source.outputCount }, (_, i) => this.#outputName(source, name, i));
        const attribute = Object.entries(source.attributes).map(([key, value]) => attributeMessage(key, value));
        this.nodes.push(create(NodeSchema, { opType: source.operator, name, input, output, attribute }));
        return name;
      }
      default: {
        this.#claim(source.name, source);
        if (source.kind === "input") this.inputs.push(tensor);
        else this.variables.push(tensor as Variable);
        return source.name;
      }
    }
  }

  #claim(name: string, owner: object): void {
    if ((this.#taken.get(name) ?? owner) !== owner)
      throw new RangeError(`graph: one input, variable or output called ${name} expected, found two; rename one`);
    this.#taken.set(name, owner);
  }

  /** Small constants are shared. */
  #writeConstant(data: Float32Array | Int32Array | BigInt64Array, tensor: Tensor): string {
    const key = data.length <= 16 ? `${tensor.type} ${tensor.shape} ${data}` : "";
    const known = this.#constantNames.get(key);
    if (known !== undefined) return known;
    const name = `constant_${this.constants.length}`;
    if (key) this.#constantNames.set(key, name);
    this.constants.push(
      create(TensorSchema, {
        name,
        dims: tensor.shape.map(BigInt),
        dataType: DATA_TYPE[tensor.type],
        rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
      }),
    );
    return name;
  }
}

/** Numbers that the ONNX format gives to element types and attribute types. */
const DATA_TYPE: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };
const ATTRIBUTE_TYPE = { float: 1, integer: 2, string: 3, integers: 7 };

function sourceName({ source }: Tensor): string {
  if (source.kind !== "input" && source.kind !== "variable") throw new TypeError("graph: an input expected");
  return source.name;
}

function valueInfo(name: string, { shape, type }: Tensor, anyBatch: boolean): ValueInfo {
  const dim = shape.map((size, axis) => ({
    value:
      anyBatch && axis === 0
        ? { case: "dimParam" as const, value: BATCH_DIMENSION }
        : { case: "dimValue" as const, value: BigInt(size) },
  }));
  return create(ValueInfoSchema, { name, type: { tensorType: { elemType: DATA_TYPE[type], shape: { dim } } } });
}

function attributeMessage(name: string, value: Attributes[string]): Attribute {
  if (typeof value === "string")
    return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) });
  if (typeof value === "number")
    return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.integer, i: BigInt(value) });
  if ("float" in value) return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.float, f: value.float });
  return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.integers, ints: value.map(BigInt) });
}
