/** Shapes that a file computes as it runs, out of the shapes of its tensors, become constants wherever they can. */
import type { Node, Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { storedValue } from "./fold.ts";
import { type FileGraph, isStandard, neededNames, withNodes } from "./onnx-file.ts";
import { storedIntegers } from "./stored-tensor.ts";
import { type Values, values } from "./trial.ts";

/** What is known of a run: the shapes of all tensors, the values of those that `shapeTensors` names. */
interface Run {
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  readonly values: Values;
}

/** Tensors that depend on the inputs through their shapes alone. */
export function shapeTensors({ nodes, constants }: FileGraph): Set<string> {
  const found = new Set<string>();
  for (const node of nodes) {
    const needed = neededNames(node).filter((name) => !constants.has(name));
    const isRoot = isStandard(node) && (node.opType === "Shape" || node.opType === "Size");
    if (isRoot || (needed.length > 0 && needed.every((name) => found.has(name))))
      for (const name of node.output) if (name) found.add(name);
  }
  return found;
}

/**
 * Tensors of shapes alone that are the same in all runs become constants. Where a `Reshape` takes one that varies, the sizes that
 * vary become 0 ("as in the input") or -1 ("what is left"). What else varies, such as the repeating of a class token, stays computed.
 *
 * @param runs of different batch sizes (and, where they are open, lengths): all tensors of the graph
 */
export function resolveShapes(graph: FileGraph, runs: readonly Run[]): FileGraph {
  const shapes = shapeTensors(graph);
  const added: StoredTensor[] = [];
  const [first, ...others] = runs as [Run, ...Run[]];
  for (const name of shapes) {
    const value = first.values.get(name);
    if (value && others.every((run) => values.same(run.values.get(name)!, value))) added.push(storedValue(name, value));
  }
  const settled = new Set(added.map(({ name }) => name!));
  const nodes = graph.nodes
    .filter(({ output }) => !output.every((name) => !name || settled.has(name)))
    .map((node) => reshape(node, graph, shapes, settled, runs, added));
  return withNodes(graph, nodes, added);
}

function reshape(
  node: Node,
  { constants }: FileGraph,
  shapes: ReadonlySet<string>,
  settled: ReadonlySet<string>,
  runs: readonly Run[],
  added: StoredTensor[],
): Node {
  const [data, shape] = node.input as [string, string];
  if (!isStandard(node) || node.opType !== "Reshape" || constants.has(shape)) return node;
  if (!shapes.has(shape) || settled.has(shape)) return node;
  const wanted = runs.map((run) => values.integers(run.values.get(shape)!));
  const inputs = runs.map((run) => run.tensors.get(data)!.shape);
  const results = runs.map((run) => run.tensors.get(node.output[0]!)!.shape);
  if (wanted.some((one) => one === null)) return node;
  let isFree = !wanted[0]!.includes(-1); // -1 can be said once
  const sizes = wanted[0]!.map((size, axis) => {
    if (wanted.every((one) => one![axis] === size)) return size;
    if (results.every((result, r) => result[axis] === inputs[r]![axis])) return 0;
    if (!isFree) return Number.NaN;
    isFree = false;
    return -1;
  });
  if (sizes.some(Number.isNaN)) return node;
  const name = `${node.output[0]}:shape`;
  added.push(storedIntegers(name, sizes));
  return { ...node, input: [data, name] };
}
