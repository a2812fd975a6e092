/** A file that was written for one picture takes any number: what holds the batch as a constant 1 is told to look at its input. */
import type { Node, Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { type FileGraph, isStandard, madeNode, withNodes } from "./onnx-file.ts";
import { integersOf, storedIntegers } from "./stored-tensor.ts";
import type { Values } from "./trial.ts";

/**
 * - `Reshape` to [1, ..] of something whose first axis is the batch: 0, which means "as it is".
 * - `Concat` of a constant [1, ..] (a class token) with something whose first axis is the batch: the constant is repeated.
 *
 * @param atOne the tensors in a run with one picture
 * @param batched names of the tensors that depend on the inputs
 */
export function anyBatch(graph: FileGraph, atOne: Values, batched: ReadonlySet<string>): FileGraph {
  const added: StoredTensor[] = [];
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (!isStandard(node)) return [node];
    if (node.opType === "Reshape") return [reshaped(graph, node, atOne, batched, added)];
    return node.opType === "Concat" ? repeated(graph, node, atOne, batched, added) : [node];
  });
  return withNodes(graph, nodes, added);
}

function reshaped(
  graph: FileGraph,
  node: Node,
  atOne: Values,
  batched: ReadonlySet<string>,
  added: StoredTensor[],
): Node {
  const [data, shape] = node.input as [string, string];
  const stored = graph.constants.get(shape);
  const sizes = stored && integersOf(stored);
  if (sizes?.[0] !== 1 || !batched.has(data) || atOne.get(data)?.shape[0] !== 1) return node;
  const name = `${node.output[0]}:any batch`;
  added.push(storedIntegers(name, [0, ...sizes.slice(1)]));
  return { ...node, input: [data, name] };
}

function repeated(
  graph: FileGraph,
  node: Node,
  atOne: Values,
  batched: ReadonlySet<string>,
  added: StoredTensor[],
): Node[] {
  const like = node.input.find((name) => batched.has(name) && atOne.get(name)?.shape[0] === 1);
  const axis = Number(node.attribute.find(({ name }) => name === "axis")?.i ?? 1n);
  if (!like || axis === 0 || axis === -(atOne.get(like)?.shape.length ?? 0)) return [node];
  const before: Node[] = [];
  const input = node.input.map((name, i) => {
    const dims = graph.constants.get(name)?.dims.map(Number);
    if (dims?.[0] !== 1) return name;
    const made = (part: string): string => `${node.output[0]}:${part} ${i}`;
    added.push(
      storedIntegers(made("first"), [0]),
      storedIntegers(made("second"), [1]),
      storedIntegers(made("rest"), dims.slice(1)),
    );
    before.push(
      madeNode("Shape", [like], made("shape")),
      madeNode("Slice", [made("shape"), made("first"), made("second")], made("batch")),
      madeNode("Concat", [made("batch"), made("rest")], made("sizes"), { axis: 0 }),
      madeNode("Expand", [name, made("sizes")], made("repeated")),
    );
    return made("repeated");
  });
  return [...before, { ...node, input }];
}
