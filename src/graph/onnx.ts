import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { bytesOf, isTypedArray, type TensorData } from "./elements.ts";
import { geluInParts, OPSET, runtimeOfOpset } from "./older-opset.ts";
import {
  type Attribute,
  AttributeSchema,
  type Graph,
  GraphSchema,
  ModelSchema,
  type Node,
  NodeSchema,
  type Tensor as OnnxTensor,
} from "./onnx_pb.ts";
import { ATTRIBUTE_TYPES, constantMessage, plainAttribute, valueInfo } from "./onnx-messages.ts";
import type { Update } from "./optimizer.ts";
import {
  type Body,
  type Attribute as GivenAttribute,
  type Source,
  scalar,
  type Tensor,
  type Variable,
} from "./tensor.ts";

export interface GraphDefinition {
  /** What a run returns. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** What a run changes. */
  readonly updates?: readonly Update[];
  /** The first axis of every input and output may have any size: the graph's own first sizes are examples. */
  readonly anyBatch?: boolean;
  /** With `anyBatch`: which axis of an input or output is the batch where it is not the first, by name; null where none is. */
  readonly batchAxes?: Readonly<Record<string, number | null>>;
  /** Texts that the file carries along, by name: readable from any language, without effect. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Version of the standard operator set, 17 to 20; default 20. Operators that an older one lacks are written in their parts. */
  readonly opset?: number;
  /** Version of the operator set of each domain but the standard's; default 1. */
  readonly opsets?: Readonly<Record<string, number>>;
}

export interface SerializedGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly Tensor[];
  readonly variables: readonly Variable[];
  /** The operators that occur, in bodies too, sorted; those that are not of the standard with their domain, `domain.Operator`. */
  readonly operators: readonly string[];
}

/** Name of the output that carries a variable's next value. */
export function nextName(variable: Variable): string {
  return `next:${variable.source.name}`;
}

/** @throws {RangeError} if two inputs, variables or outputs share a name, or if a graph for any batch changes variables */
export function serialize(definition: GraphDefinition): SerializedGraph {
  const { outputs, updates = [], anyBatch = false, metadata = {}, opset = OPSET, opsets = {} } = definition;
  if (anyBatch && updates.length > 0)
    throw new RangeError(`graph: no updates expected with anyBatch, found ${updates.length}`);
  const results: [string, Tensor][] = [
    ...Object.entries(outputs),
    ...updates.map(({ variable, next }): [string, Tensor] => [nextName(variable), next]),
  ];
  const writer = new GraphWriter(results, anyBatch, updates, null, [], opset);
  const { inputs, variables } = writer;
  const model = create(ModelSchema, {
    irVersion: BigInt(runtimeOfOpset(opset).ir),
    producerName: "earlyexit",
    opsetImport: [
      { domain: "", version: BigInt(opset) },
      ...[...writer.domains].sort().map((domain) => ({ domain, version: BigInt(opsets[domain] ?? 1) })),
    ],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: "earlyexit",
      node: writer.nodes,
      initializer: writer.constants,
      input: [
        ...inputs.map((tensor) => valueInfo(sourceName(tensor), tensor, batchAxis(definition, sourceName(tensor)))),
        ...variables.map((tensor) => valueInfo(sourceName(tensor), tensor, null)),
      ],
      output: results.map(([name, tensor]) => valueInfo(name, tensor, batchAxis(definition, name))),
    },
  });
  return { bytes: toBinary(ModelSchema, model), inputs, variables, operators: [...writer.operators].sort() };
}

/** Which axis of this input or output may have any size; null where none may. */
export function batchAxis({ anyBatch = false, batchAxes = {} }: GraphDefinition, name: string): number | null {
  return anyBatch ? (batchAxes[name] === undefined ? 0 : batchAxes[name]) : null;
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
  /** Of the outermost graph, as the next five: one list for the whole file. */
  readonly inputs: Tensor[] = [];
  readonly variables: Variable[] = [];
  readonly operators = new Set<string>();
  readonly domains = new Set<string>();
  readonly #taken = new Map<string, object>();
  readonly #count = { nodes: 0, constants: 0 };
  readonly #anyBatch: boolean;
  readonly #opset: number;
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
    bodyInputs: readonly Tensor[] = [],
    opset = outer ? outer.#opset : OPSET,
  ) {
    this.#opset = opset;
    this.#anyBatch = anyBatch;
    this.#outer = outer;
    this.#root = outer ? outer.#root : this;
    for (const { source } of bodyInputs) this.#takeInput(source);
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

  #takeInput(source: Source): void {
    if (source.kind !== "input") throw new TypeError("graph: inputs of a body made by `input` expected");
    this.#claim(source.name, source);
    this.#named.set(source, source.name);
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
    const { operator, domain, outputCount } = source;
    const input = source.inputs.map((one) => (one ? this.#name(one) : ""));
    const name = `${operator}_${this.#root.#count.nodes++}`; // counted before its bodies, whose nodes have names too
    const output = Array.from({ length: outputCount }, (_, i) => this.#outputName(source, name, i));
    if (operator === "Gelu" && !domain && this.#opset < 20) {
      for (const part of geluInParts(name, input[0]!, output[0]!, (value) => this.#scalar(value))) this.#push(part);
      return name;
    }
    const attribute = Object.entries(source.attributes).map(([key, value]) => this.#attribute(name, key, value));
    this.#push({ opType: operator, name, input, output, attribute, ...(domain ? { domain } : {}) });
    return name;
  }

  #push(node: MessageInitShape<typeof NodeSchema> & { readonly opType: string; readonly domain?: string }): void {
    const { opType, domain } = node;
    this.nodes.push(create(NodeSchema, node));
    this.#root.operators.add(domain ? `${domain}.${opType}` : opType);
    if (domain) this.#root.domains.add(domain);
  }

  #attribute(node: string, name: string, value: GivenAttribute): Attribute {
    const type = ATTRIBUTE_TYPES;
    const body = `${node}.${name}`;
    if (typeof value === "object" && "graph" in value)
      return create(AttributeSchema, { name, type: type.graph, g: this.#body(body, value) });
    if (typeof value === "object" && "graphs" in value)
      return create(AttributeSchema, {
        name,
        type: type.graphs,
        graphs: value.graphs.map((one, i) => this.#body(`${body}.${i}`, one)),
      });
    return plainAttribute(name, value);
  }

  #body(name: string, { graph: returned, inputs = [], given = [] }: Body): Graph {
    for (const tensor of given) this.#name(tensor);
    const results = returned.map((tensor, i): [string, Tensor] => [`${name}:${i}`, tensor]);
    const { nodes, constants } = new GraphWriter(results, this.#anyBatch, [], this, inputs);
    const first = this.#anyBatch ? 0 : null;
    return create(GraphSchema, {
      name,
      node: nodes,
      initializer: constants,
      input: inputs.map((tensor) => valueInfo(sourceName(tensor), tensor, first)),
      output: results.map(([result, tensor]) => valueInfo(result, tensor, first)),
    });
  }

  #claim(name: string, owner: object): void {
    const taken = this.#root.#taken;
    if ((taken.get(name) ?? owner) !== owner)
      throw new RangeError(`graph: one input, variable or output called ${name} expected, found two; rename one`);
    taken.set(name, owner);
  }

  #scalar(value: number): string {
    const tensor = scalar(value);
    return this.#writeConstant((tensor.source as Extract<Source, { kind: "constant" }>).data, tensor);
  }

  /** Small constants are shared, but for those of a body: what fuses nodes of 8 bits looks for their scales in its own graph only. */
  #writeConstant(data: TensorData, tensor: Tensor): string {
    const { type, shape } = tensor;
    const content = isTypedArray(data) ? bytesOf(data) : JSON.stringify(data); // 0 and -0 are equal, but not the same
    const key = data.length <= 16 ? `${type} ${shape} ${content}` : "";
    const known = this.#constantNames.get(key);
    if (known !== undefined) return known;
    const name = `constant_${this.#root.#count.constants++}`;
    if (key) this.#constantNames.set(key, name);
    this.constants.push(constantMessage(data, tensor, name));
    return name;
  }
}

function sourceName({ source }: Tensor): string {
  if (source.kind !== "input" && source.kind !== "variable") throw new TypeError("graph: an input expected");
  return source.name;
}
