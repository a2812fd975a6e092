import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Attribute,
  AttributeSchema,
  GraphSchema,
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
  /** Texts that the file carries along, by name: readable from any language, without effect. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface SerializedGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly Tensor[];
  readonly variables: readonly Variable[];
  /** The standard operators that occur, in bodies too, sorted. */
  readonly operators: readonly string[];
}

/** Name of the output that carries a variable's next value. */
export function nextName(variable: Variable): string {
  return `next:${variable.source.name}`;
}

/** @throws {RangeError} if two inputs, variables or outputs share a name, or if a graph for any batch changes variables */
export function serialize(definition: GraphDefinition): SerializedGraph {
  const { outputs, updates = [], anyBatch = false, metadata = {} } = definition;
  if (anyBatch && updates.length > 0)
    throw new RangeError(`graph: no updates expected with anyBatch, found ${updates.length}`);
  const results: [string, Tensor][] = [
    ...Object.entries(outputs),
    ...updates.map(({ variable, next }): [string, Tensor] => [nextName(variable), next]),
  ];
  const writer = new GraphWriter(results, anyBatch, updates);
  const { inputs, variables } = writer;
  const model = create(ModelSchema, {
    irVersion: BigInt(IR_VERSION),
    producerName: "earlyexit",
    opsetImport: [{ domain: "", version: BigInt(OPSET) }],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
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
  return { bytes: toBinary(ModelSchema, model), inputs, variables, operators: [...writer.operators].sort() };
}

/**
 * Walks from the results to the inputs; every node is written after the nodes that it needs.
 *
 * The body of a node gets a writer of its own. A body sees by name what the graphs around it have written so far, and
 * holds whatever else it needs; what lies in a body is computed only when the body runs, and nothing outside sees it.
 */
class GraphWriter {
  readonly nodes: Node[] = [];
  readonly constants: OnnxTensor[] = [];
  /** Of the outermost graph, as the next four: one list for the whole file. */
  readonly inputs: Tensor[] = [];
  readonly variables: Variable[] = [];
  readonly operators = new Set<string>();
  readonly #taken = new Map<string, object>();
  readonly #count = { nodes: 0, constants: 0 };
  readonly #anyBatch: boolean;
  readonly #outer: GraphWriter | null;
  readonly #root: GraphWriter;
  readonly #named = new Map<Source, string>();
  readonly #constantNames = new Map<string, string>();
  /** Names that a node's outputs must have because they are results. */
  readonly #resultNames = new Map<Source, Map<number, string>>();

  constructor(
    results: readonly [string, Tensor][],
    anyBatch: boolean,
    updates: readonly Update[] = [],
    outer: GraphWriter | null = null,
  ) {
    this.#anyBatch = anyBatch;
    this.#outer = outer;
    this.#root = outer ? outer.#root : this;
    for (const { variable } of updates) this.#claim(variable.source.name, variable.source);
    for (const result of results) this.#claim(result[0], result);
    for (const [name, { source, index }] of results) {
      const names = this.#resultNames.get(source) ?? new Map<number, string>();
      if (source.kind === "node" && !names.has(index)) this.#resultNames.set(source, names.set(index, name));
    }
    for (const [name, tensor] of results) {
      const computed = this.#name(tensor);
      if (computed === name) continue;
      this.#push({ opType: "Identity", name, input: [computed], output: [name] });
      this.#root.#count.nodes++;
    }
  }

  /** Writes what the tensor needs, unless it is there already, and returns its name in the file. */
  #name(tensor: Tensor): string {
    const { source, index } = tensor;
    const writer = this.#writerOf(source) ?? this.#write(tensor);
    const name = writer.#named.get(source)!;
    return source.kind === "node" ? writer.#outputName(source, name, index) : name;
  }

  #outputName(source: Source, node: string, index: number): string {
    return this.#resultNames.get(source)?.get(index) ?? `${node}:${index}`;
  }

  /** Of this graph or one around it. */
  #writerOf(source: Source): GraphWriter | null {
    if (this.#named.has(source)) return this;
    return this.#outer ? this.#outer.#writerOf(source) : null;
  }

  /** @returns the writer that holds it: this one, or the outermost for what a run is given */
  #write(tensor: Tensor): GraphWriter {
    const { source } = tensor;
    const root = this.#root;
    switch (source.kind) {
      case "constant":
        this.#named.set(source, this.#writeConstant(source.data, tensor));
        return this;
      case "node":
        this.#named.set(source, this.#writeNode(source));
        return this;
      default:
        root.#claim(source.name, source);
        root.#named.set(source, source.name);
        if (source.kind === "input") root.inputs.push(tensor);
        else root.variables.push(tensor as Variable);
        return root;
    }
  }

  #writeNode(source: Extract<Source, { kind: "node" }>): string {
    const { operator, outputCount } = source;
    const input = source.inputs.map((one) => (one ? this.#name(one) : ""));
    const name = `${operator}_${this.#root.#count.nodes++}`; // counted before its bodies, whose nodes have names too
    const output = Array.from({ length: outputCount }, (_, i) => this.#outputName(source, name, i));
    const attribute = Object.entries(source.attributes).map(([key, value]) =>
      typeof value === "object" && "graph" in value
        ? this.#body(`${name}.${key}`, key, value.graph)
        : attributeMessage(key, value),
    );
    this.#push({ opType: operator, name, input, output, attribute });
    return name;
  }

  #push(node: MessageInitShape<typeof NodeSchema> & { readonly opType: string }): void {
    this.nodes.push(create(NodeSchema, node));
    this.#root.operators.add(node.opType);
  }

  #body(name: string, key: string, returned: readonly Tensor[]): Attribute {
    const results = returned.map((tensor, i): [string, Tensor] => [`${name}:${i}`, tensor]);
    const { nodes, constants } = new GraphWriter(results, this.#anyBatch, [], this);
    const output = results.map(([result, tensor]) => valueInfo(result, tensor, this.#anyBatch));
    const g = create(GraphSchema, { name, node: nodes, initializer: constants, output });
    return create(AttributeSchema, { name: key, type: ATTRIBUTE_TYPE.graph, g });
  }

  #claim(name: string, owner: object): void {
    const taken = this.#root.#taken;
    if ((taken.get(name) ?? owner) !== owner)
      throw new RangeError(`graph: one input, variable or output called ${name} expected, found two; rename one`);
    taken.set(name, owner);
  }

  /** Small constants are shared. */
  #writeConstant(data: Float32Array | Int32Array | BigInt64Array, tensor: Tensor): string {
    const key = data.length <= 16 ? `${tensor.type} ${tensor.shape} ${data}` : "";
    const known = this.#sharedConstant(key);
    if (known !== undefined) return known;
    const name = `constant_${this.#root.#count.constants++}`;
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

  #sharedConstant(key: string): string | undefined {
    const known = this.#constantNames.get(key);
    return known === undefined && this.#outer ? this.#outer.#sharedConstant(key) : known;
  }
}

/** Numbers that the ONNX format gives to element types and attribute types. */
const DATA_TYPE: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };
const ATTRIBUTE_TYPE = { float: 1, integer: 2, string: 3, graph: 5, integers: 7 };

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
  const tensorType = { elemType: DATA_TYPE[type], shape: { dim } };
  return create(ValueInfoSchema, { name, type: { value: { case: "tensorType", value: tensorType } } });
}

function attributeMessage(name: string, value: Exclude<Attributes[string], { graph: unknown }>): Attribute {
  if (typeof value === "string")
    return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.string, s: new TextEncoder().encode(value) });
  if (typeof value === "number")
    return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.integer, i: BigInt(value) });
  if ("float" in value) return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.float, f: value.float });
  return create(AttributeSchema, { name, type: ATTRIBUTE_TYPE.integers, ints: value.map(BigInt) });
}
