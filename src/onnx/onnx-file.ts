/** An ONNX file as nodes and constants by name, and back. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { UserError } from "../errors.ts";
import {
  type Attribute,
  GraphSchema,
  type Model,
  ModelSchema,
  type Node,
  NodeSchema,
  type Tensor as StoredTensor,
  type ValueInfo,
  ValueInfoSchema,
} from "../graph/onnx_pb.ts";
import { typeName, typeNumber } from "./stored-tensor.ts";

/** What a file takes: its size along an axis is a number, or the name of something that may vary. */
export interface FileInput {
  readonly name: string;
  /** See `TYPE_NAMES`. */
  readonly type: string;
  readonly dims: readonly (number | string)[];
}

/** The part of a file that computes. Names are those of the file. */
export interface FileGraph {
  /** Version of each domain's operators; "" is the standard. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly inputs: readonly FileInput[];
  readonly outputs: readonly string[];
  /** Each stands behind all that it needs. */
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, StoredTensor>;
}

const OLDEST_OPSET = 7;

/**
 * @param where the file's name, for messages
 * @throws {UserError} if it is no ONNX file, or holds what cannot be carried
 */
export function parseModel(bytes: Uint8Array, where: string): Model {
  let model: Model;
  try {
    model = fromBinary(ModelSchema, bytes);
  } catch (cause) {
    throw notOnnx(bytes, where, cause);
  }
  if (!model.graph || model.graph.node.length === 0 || model.opsetImport.length === 0) throw notOnnx(bytes, where);
  return model;
}

function notOnnx(bytes: Uint8Array, where: string, cause?: unknown): UserError {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 12)).replace(/[^\x20-\x7e]/g, ".");
  return new UserError(
    `${where}: an ONNX file expected, found ${bytes.length} bytes that begin with "${start}"; ` +
      "export the network as ONNX (PyTorch: torch.onnx.export)",
    { cause },
  );
}

/**
 * @throws {UserError} if operators have no version, two, or one that is too old; or if the file has functions or sparse weights
 */
export function fileGraph(model: Model, where: string): FileGraph {
  const graph = model.graph!;
  const constants = new Map(graph.initializer.map((one) => [one.name!, one]));
  if (graph.sparseInitializer.length > 0)
    throw new UserError(`${where}: dense weights expected, found sparse ones; export them as plain tensors`);
  if (model.functions.length > 0)
    throw new UserError(
      `${where}: operators expected, found functions of the file's own (${model.functions[0]!.name}, ..); ` +
        "inline them before (onnx.inliner.inline_local_functions in Python)",
    );
  const inputs = graph.input.filter(({ name }) => !constants.has(name!)).map((one) => fileInput(one, where));
  return {
    opsets: opsetsOf(model, where),
    inputs,
    outputs: graph.output.map(({ name }) => name!),
    nodes: inOrder(graph.node, new Set([...constants.keys(), ...inputs.map(({ name }) => name)]), where),
    constants,
  };
}

function opsetsOf({ opsetImport }: Model, where: string): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain = "", version = 0n } of opsetImport) {
    const name = domain === "ai.onnx" ? "" : domain;
    if (opsets.has(name) && opsets.get(name) !== Number(version))
      throw new UserError(
        `${where}: one version of the ${name || "standard"} operators expected, found ${opsets.get(name)} and ${version}; ` +
          "export the file again",
      );
    opsets.set(name, Number(version));
  }
  const standard = opsets.get("") ?? 0;
  if (standard < OLDEST_OPSET)
    throw new UserError(
      `${where}: standard operators of version ${OLDEST_OPSET} or later expected, found ${standard || "none"}; ` +
        "export it with a newer opset",
    );
  return opsets;
}

function fileInput({ name, type }: ValueInfo, where: string): FileInput {
  if (type?.value.case !== "tensorType")
    throw new UserError(
      `${where}: inputs that are tensors expected, found ${name} as ${type?.value.case ?? "nothing"}; export it with tensors`,
    );
  const { elemType, shape } = type.value.value;
  const dims = (shape?.dim ?? []).map(({ value }, axis) =>
    value.case === "dimValue" && value.value > 0n ? Number(value.value) : String(value.value ?? `axis ${axis}`),
  );
  return { name: name!, type: typeName(elemType), dims };
}

/** The nodes so that each stands behind all that it needs: the standard wants it, and not every exporter keeps to it. */
function inOrder(nodes: readonly Node[], known: Set<string>, where: string): Node[] {
  const sorted: Node[] = [];
  let waiting = nodes;
  while (waiting.length > 0) {
    const later: Node[] = [];
    for (const node of waiting) {
      const isReady = neededNames(node).every((name) => known.has(name));
      if (!isReady) {
        later.push(node);
        continue;
      }
      sorted.push(node);
      for (const name of node.output) if (name) known.add(name);
    }
    if (later.length === waiting.length) {
      const missing = neededNames(later[0]!).find((name) => !known.has(name));
      throw new UserError(
        `${where}: a tensor ${missing} for ${labelOf(later[0]!)} expected, found none; the file is damaged, export it again`,
      );
    }
    waiting = later;
  }
  return sorted;
}

/** All tensors of the graph that a node needs: its inputs, and what its bodies read from outside. */
export function neededNames(node: Node): string[] {
  const names = node.input.filter((name) => name !== "");
  for (const { g } of node.attribute) {
    if (!g) continue;
    const inner = new Set([...g.input.map(({ name }) => name!), ...g.initializer.map(({ name }) => name!)]);
    for (const one of g.node) {
      for (const name of neededNames(one)) if (!inner.has(name)) names.push(name);
      for (const name of one.output) inner.add(name);
    }
    for (const { name } of g.output) if (!inner.has(name!)) names.push(name!);
  }
  return names;
}

/** Everything computed from some tensors. */
export function dependingOn(nodes: readonly Node[], from: ReadonlySet<string>): Set<string> {
  const found = new Set(from);
  for (const node of nodes)
    if (neededNames(node).some((name) => found.has(name))) for (const name of node.output) if (name) found.add(name);
  return found;
}

/** How messages name a node. */
export function labelOf({ name, opType, output }: Node): string {
  return `${opType} ${name || output[0] || ""}`.trim();
}

/** A node of the standard, written by us. */
export function madeNode(
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number | readonly number[] | string>> = {},
): Node {
  const attribute = Object.entries(attributes).map(([name, value]) => {
    if (typeof value === "number") return { name, type: 2, i: BigInt(value) };
    if (typeof value === "string") return { name, type: 3, s: new TextEncoder().encode(value) };
    return { name, type: 7, ints: value.map(BigInt) };
  });
  return create(NodeSchema, { opType, name: output, input: [...input], output: [output], attribute });
}

export function attributeOf({ attribute }: Node, name: string): Attribute | undefined {
  return attribute.find((one) => one.name === name);
}

export function integerAttribute(node: Node, name: string, otherwise: number): number {
  const found = attributeOf(node, name)?.i;
  return found === undefined ? otherwise : Number(found);
}

export function textAttribute(node: Node, name: string): string | null {
  const found = attributeOf(node, name)?.s;
  return found ? new TextDecoder().decode(found) : null;
}

export function isStandard({ domain }: Node): boolean {
  return !domain || domain === "ai.onnx";
}

/** Where each tensor comes from. */
export function producers(nodes: readonly Node[]): Map<string, Node> {
  return new Map(nodes.flatMap((node) => node.output.filter(Boolean).map((name): [string, Node] => [name, node])));
}

/** The nodes and constants that some tensors need, in their order. */
export function onlyNeeded(graph: FileGraph, wanted: readonly string[]): FileGraph {
  const needed = new Set(wanted);
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.output.some((name) => needed.has(name))) continue;
    nodes.push(node);
    for (const name of neededNames(node)) needed.add(name);
  }
  const constants = new Map([...graph.constants].filter(([name]) => needed.has(name)));
  return { ...graph, nodes: nodes.reverse(), constants, outputs: wanted };
}

/** The graph as a file whose outputs are these tensors. Input sizes that vary are left open. */
export function modelBytes(graph: FileGraph, outputs: readonly string[]): Uint8Array {
  const { opsets, inputs, nodes, constants } = onlyNeeded(graph, outputs);
  const value = (type: string, dims: FileInput["dims"]) => ({
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
  });
  const model = create(ModelSchema, {
    irVersion: 9n,
    producerName: "earlyexit",
    opsetImport: [...opsets].map(([domain, version]) => ({ domain, version: BigInt(version) })),
    graph: create(GraphSchema, {
      name: "imported",
      node: [...nodes],
      initializer: [...constants].map(([name, tensor]) => ({ ...tensor, name })),
      input: inputs.map(({ name, type, dims }) => create(ValueInfoSchema, { name, type: value(type, dims) })),
      output: outputs.map((name) => create(ValueInfoSchema, { name })),
    }),
  });
  return toBinary(ModelSchema, model);
}

/** A graph with some nodes changed, and constants added. */
export function withNodes(graph: FileGraph, nodes: readonly Node[], added: readonly StoredTensor[] = []): FileGraph {
  const constants = new Map([...graph.constants, ...added.map((one): [string, StoredTensor] => [one.name!, one])]);
  return { ...graph, nodes, constants };
}
