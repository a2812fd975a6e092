/** Which input takes the picture, and which output is the answer: its logits, before a softmax at the end. */
import { UserError } from "../errors.ts";
import type { Node } from "../graph/onnx_pb.ts";
import { type FileGraph, type FileInput, integerAttribute, isStandard, producers } from "./onnx-file.ts";

/** Operators that leave the values of a [B, K] answer as they are. */
const SHAPE_ONLY = new Set(["Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast"]);
/** Names of outputs that hold what is wanted, if there are several. */
const LIKELY = [/logits?$/i, /^output(s|_0)?$/i, /prob/i];

export type Seen = (name: string) => { readonly shape: readonly number[]; readonly type: string };

/** How many classes an output tells apart: it is [B, K], with axes of size 1 between. null if it is of another form. */
export function classesOf(shape: readonly number[]): number | null {
  const [, ...others] = shape;
  const wide = others.filter((size) => size > 1);
  return shape.length >= 2 && wide.length === 1 ? wide[0]! : null;
}

/**
 * @param seen in a run with two rows or more
 * @throws {UserError} if no output, or several of them, could be the answer
 */
export function answerOutput({ outputs }: FileGraph, seen: Seen, where: string): string {
  const fitting = outputs.filter((name) => classesOf(seen(name).shape) !== null && /float/.test(seen(name).type));
  if (fitting.length === 1) return fitting[0]!;
  for (const pattern of LIKELY) {
    const named = fitting.filter((name) => pattern.test(name));
    if (named.length === 1) return named[0]!;
  }
  if (outputs.length === 1) return outputs[0]!; // of some other kind: it can be looked at, if not attached to
  const found = outputs.map((name) => `${name} [${seen(name).shape}]`).join(", ");
  throw new UserError(
    `${where}: one output [batch, classes] expected, found ${found}; leave the others out when you export it, or name that one "logits"`,
  );
}

/** The input that the data flow begins with: a picture, if there is one, else the first. */
export function mainInput(inputs: readonly FileInput[], where: string): string {
  const [first] = inputs;
  if (!first) throw new UserError(`${where}: an input expected, found none; export the network with its input`);
  return (inputs.find(({ dims }) => dims.length === 4) ?? first).name;
}

/**
 * The graph without the softmax at its end, if there is one, so that the answer is logits.
 *
 * @returns the graph, and whether a softmax was taken out
 */
export function withoutSoftmax(graph: FileGraph, answer: string, seen: Seen): { graph: FileGraph; removed: boolean } {
  const made = producers(graph.nodes);
  const users = (name: string): Node[] => graph.nodes.filter(({ input }) => input.includes(name));
  let name = answer;
  for (let node = made.get(name); node; node = made.get(name)) {
    if (!isStandard(node)) break;
    const isAlone = name === answer || users(name).length === 1;
    if (!isAlone) break;
    if (node.opType === "Softmax" && isOverClasses(node, seen(node.input[0]!).shape)) {
      const identity: Node = { ...node, opType: "Identity", attribute: [], input: [node.input[0]!] };
      return { graph: { ...graph, nodes: graph.nodes.map((one) => (one === node ? identity : one)) }, removed: true };
    }
    if (!SHAPE_ONLY.has(node.opType!)) break;
    name = node.input[0]!;
  }
  return { graph, removed: false };
}

/** In the form of today: along one axis. */
function isOverClasses(node: Node, shape: readonly number[]): boolean {
  const axis = integerAttribute(node, "axis", -1);
  return shape[axis < 0 ? axis + shape.length : axis] === classesOf(shape);
}
