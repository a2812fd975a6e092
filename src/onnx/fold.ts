/** What depends on no input becomes a constant: computed once, here, by ONNX Runtime. */
import { create } from "@bufbuild/protobuf";
import { type Node, NodeSchema, type Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { attributeOf, type FileGraph, isStandard, madeNode, neededNames } from "./onnx-file.ts";
import { bytesOf, integersOf, rawBytes, stored } from "./stored-tensor.ts";
import { openFile, runFile, type Value } from "./trial.ts";

/** They give something else at every run. */
const RANDOM = new Set([
  "RandomNormal",
  "RandomUniform",
  "RandomNormalLike",
  "RandomUniformLike",
  "Bernoulli",
  "Multinomial",
]);
/** 8-bit weights stay 8-bit: what turns them into floats is part of the network. */
const KEPT = new Set(["DequantizeLinear", "QuantizeLinear"]);
/** Weights that are made from nothing, such as zeros, are left to be made: written out they would fill the memory. */
const MOST_MADE = 1 << 20;

/**
 * The same graph with everything computed that no input decides; an `If` whose condition is one of these is replaced by the
 * branch taken, and dropout, which does nothing in use, by nothing.
 *
 * @throws {UserError} if ONNX Runtime does not take it
 */
export async function foldConstants(runtime: Runtime, given: FileGraph, where: string): Promise<FileGraph> {
  let graph = withStoredConstants({ ...given, nodes: given.nodes.map(withoutDropout(given)) });
  for (;;) {
    graph = await computed(runtime, graph, where);
    const nodes = graph.nodes.flatMap((node) => branchTaken(node, graph.constants) ?? [node]);
    if (nodes.length === graph.nodes.length && nodes.every((node, i) => node === graph.nodes[i])) return graph;
    graph = withStoredConstants({ ...graph, nodes });
  }
}

/** `Constant` nodes that hold a tensor, as constants. */
export function withStoredConstants(graph: FileGraph): FileGraph {
  const constants = new Map(graph.constants);
  const nodes = graph.nodes.filter((node) => {
    const tensor = isStandard(node) && node.opType === "Constant" ? attributeOf(node, "value")?.t : undefined;
    if (tensor) constants.set(node.output[0]!, { ...tensor, name: node.output[0]! });
    return !tensor;
  });
  return { ...graph, nodes, constants };
}

async function computed(runtime: Runtime, graph: FileGraph, where: string): Promise<FileGraph> {
  const known = new Set(graph.constants.keys());
  const folded = new Set<Node>();
  for (const node of graph.nodes) {
    if (!isFoldable(node, known, graph.constants)) continue;
    folded.add(node);
    for (const name of node.output) known.add(name);
  }
  if (folded.size === 0) return graph;
  const nodes = graph.nodes.filter((node) => !folded.has(node));
  const needed = new Set([...nodes.flatMap(neededNames), ...graph.outputs]);
  const wanted = [...folded].flatMap(({ output }) => output.filter((name) => needed.has(name)));
  const constants = new Map(graph.constants);
  if (wanted.length > 0) {
    const session = await openFile(runtime, { ...graph, inputs: [] }, wanted, where);
    const results = await runFile(session, new Map());
    await session.release();
    for (const [name, value] of results) constants.set(name, storedValue(name, value));
  }
  return { ...graph, nodes, constants };
}

export function storedValue(name: string, { type, shape, data }: Value): StoredTensor {
  return stored(name, type, shape, bytesOf(data).slice());
}

function isFoldable(node: Node, known: ReadonlySet<string>, constants: FileGraph["constants"]): boolean {
  if (RANDOM.has(node.opType!) || KEPT.has(node.opType!)) return false;
  if (!neededNames(node).every((name) => known.has(name))) return false;
  if (node.opType !== "ConstantOfShape") return true;
  const shape = constants.get(node.input[0]!);
  return !shape || (integersOf(shape) ?? []).reduce((product, size) => product * size, 1) <= MOST_MADE;
}

function withoutDropout({ opsets, constants }: FileGraph) {
  return (node: Node): Node => {
    if (!isStandard(node) || node.opType !== "Dropout" || node.output[1]) return node;
    const training = opsets.get("")! >= 12 ? node.input[2] : undefined;
    const flag = training ? constants.get(training) : undefined;
    if (training && (!flag || rawBytes(flag)[0] !== 0)) return node;
    return madeNode("Identity", [node.input[0]!], node.output[0]!);
  };
}

/** The nodes of the branch that an `If` takes, where its condition is known; else null. */
function branchTaken(node: Node, constants: FileGraph["constants"]): Node[] | null {
  if (!isStandard(node) || node.opType !== "If") return null;
  const condition = constants.get(node.input[0]!);
  if (!condition) return null;
  const body = attributeOf(node, rawBytes(condition)[0] ? "then_branch" : "else_branch")!.g!;
  const returned = body.output.map(({ name }, i) => madeNode("Identity", [name!], node.output[i]!));
  const held = body.initializer.map((one) =>
    create(NodeSchema, {
      opType: "Constant",
      output: [one.name!],
      attribute: [{ name: "value", type: 4, t: one }],
    }),
  );
  return [...held, ...body.node, ...returned];
}
