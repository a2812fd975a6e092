/**
 * Operators whose form has changed since the file was written, in today's form. Everything else of opsets 7 to 20 has kept its form
 * (types and attributes were added, which older files do without), and is carried as it is.
 *
 * One line of the table is one change: nodes of a file below `below` are rewritten, in the order of the table, so that a form that has
 * changed twice is written twice.
 */

import { UserError } from "../errors.ts";
import { OPSET } from "../graph/older-opset.ts";
import type { Node, Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import {
  attributeOf,
  type FileGraph,
  integerAttribute,
  isStandard,
  labelOf,
  madeNode,
  textAttribute,
} from "./onnx-file.ts";
import { bytesOf, stored, storedFloats, storedIntegers } from "./stored-tensor.ts";

interface Change {
  readonly operators: readonly string[];
  /** The first version with the new form. */
  readonly below: number;
  readonly rewrite: (node: Node, context: Context) => Node[];
}

/** What a rewriting may ask for and add. */
interface Context {
  readonly where: string;
  readonly opset: number;
  /** Of a tensor in a run of the file. */
  readonly shape: (name: string) => readonly number[];
  readonly type: (name: string) => string;
  readonly constants: FileGraph["constants"];
  /** Adds a constant and returns its name. */
  readonly add: (tensor: StoredTensor) => string;
}

const REDUCTIONS = [
  ..."L1 L2 LogSum LogSumExp Max Mean Min Prod SumSquare".split(" ").map((one) => `Reduce${one}`),
] as const;

export const CHANGES: readonly Change[] = [
  { operators: ["BatchNormalization"], below: 9, rewrite: without("spatial") },
  { operators: ["BatchNormalization"], below: 14, rewrite: oneOutput },
  { operators: ["Upsample"], below: 9, rewrite: attributesToInputs({ scales: "floats" }) },
  { operators: ["Upsample"], below: 10, rewrite: (node) => [{ ...node, opType: "Resize" }] },
  { operators: ["Resize"], below: 11, rewrite: resize },
  {
    operators: ["Slice"],
    below: 10,
    rewrite: attributesToInputs({ starts: "integers", ends: "integers", axes: "integers" }),
  },
  { operators: ["TopK"], below: 10, rewrite: attributesToInputs({ k: "integer" }) },
  { operators: ["Clip"], below: 11, rewrite: attributesToInputs({ min: "float", max: "float" }) },
  { operators: ["Pad"], below: 11, rewrite: attributesToInputs({ pads: "integers", value: "float" }) },
  { operators: ["Scatter"], below: 11, rewrite: (node) => [{ ...node, opType: "ScatterElements" }] },
  { operators: ["Squeeze", "Unsqueeze", "ReduceSum"], below: 13, rewrite: attributesToInputs({ axes: "integers" }) },
  { operators: ["Split"], below: 13, rewrite: attributesToInputs({ split: "integers" }) },
  { operators: ["Softmax", "LogSoftmax", "Hardmax"], below: 13, rewrite: softmax },
  { operators: REDUCTIONS, below: 18, rewrite: attributesToInputs({ axes: "integers" }) },
  { operators: ["Split"], below: 18, rewrite: countedSplit },
];

/** They have changed in a way that no node of today can say. */
const GONE: Readonly<Record<string, number>> = { Scan: 9, MaxUnpool: 0 };

/**
 * @param seen the shape and the type of every tensor, in a run of the file as it is
 * @throws {UserError} naming the node, if it has no form of today
 */
export function upgrade(
  graph: FileGraph,
  seen: (name: string) => { readonly shape: readonly number[]; readonly type: string },
  where: string,
): FileGraph {
  const opset = graph.opsets.get("")!;
  // newer files say the same of what was there before; `prepare` runs both and compares
  if (opset >= OPSET) return { ...graph, opsets: new Map([...graph.opsets, ["", OPSET]]) };
  const constants = new Map(graph.constants);
  const context: Context = {
    where,
    opset,
    constants,
    shape: (name) => seen(name).shape,
    type: (name) => seen(name).type,
    add: (tensor) => {
      constants.set(tensor.name!, tensor);
      return tensor.name!;
    },
  };
  const nodes = graph.nodes.flatMap((node) => upgraded(node, context));
  return { ...graph, nodes, constants, opsets: new Map([...graph.opsets, ["", OPSET]]) };
}

function upgraded(node: Node, context: Context): Node[] {
  if (!isStandard(node)) return [node];
  if ((GONE[node.opType!] ?? 0) > context.opset)
    throw new UserError(
      `${context.where}: ${labelOf(node)} in the form of opset ${GONE[node.opType!]} or later expected, found opset ${context.opset}; ` +
        "export it with a newer opset",
    );
  let nodes = [node];
  for (const { operators, below, rewrite } of CHANGES)
    if (context.opset < below)
      nodes = nodes.flatMap((one) => (operators.includes(one.opType!) ? rewrite(one, context) : [one]));
  return nodes;
}

function without(...names: readonly string[]) {
  return (node: Node): Node[] => [{ ...node, attribute: node.attribute.filter(({ name }) => !names.includes(name!)) }];
}

type AttributeKind = "float" | "floats" | "integer" | "integers";

/** What used to be attributes comes as inputs, in this order behind the first one. */
function attributesToInputs(moved: Readonly<Record<string, AttributeKind>>) {
  return (node: Node, context: Context): Node[] => {
    const input = [node.input[0]!];
    for (const [name, kind] of Object.entries(moved)) {
      const constant = asConstant(node, name, kind, context);
      input.push(constant ? context.add(constant) : "");
    }
    while (input.at(-1) === "") input.pop();
    return [{ ...without(...Object.keys(moved))(node)[0]!, input }];
  };
}

function asConstant(node: Node, name: string, kind: AttributeKind, context: Context): StoredTensor | null {
  const found = attributeOf(node, name);
  if (!found) return null;
  const constant = `${node.output[0]}:${name}`;
  if (kind === "integers") return storedIntegers(constant, found.ints.map(Number));
  if (kind === "integer") return storedIntegers(constant, [Number(found.i)]);
  if (kind === "floats") return storedFloats(constant, found.floats);
  // of the type of what it is compared with
  const type = context.type(node.input[0]!);
  if (type === "float64") return stored(constant, type, [], bytesOf(Float64Array.of(found.f!)));
  if (type === "float16") return stored(constant, type, [], bytesOf(Uint16Array.of(halfBits(found.f!))));
  return storedFloats(constant, [found.f!], []);
}

/** Nearest half below 65,504, enough for the borders of `Clip` and `Pad`. */
function halfBits(value: number): number {
  if (value === 0) return 0;
  const size = Math.min(Math.abs(value), 65_504);
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const fraction = Math.round((size / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

/** Running means of training are no outputs any more. */
function oneOutput(node: Node): Node[] {
  return [{ ...node, output: node.output.slice(0, 1) }];
}

/** From the corner, and rounded down, as it was before version 11. */
function resize(node: Node, { add }: Context): Node[] {
  const roi = add(storedFloats(`${node.output[0]}:roi`, []));
  const mode = textAttribute(node, "mode") ?? "nearest";
  const form = {
    coordinate_transformation_mode: "asymmetric",
    ...(mode === "nearest" ? { nearest_mode: "floor" } : {}),
  };
  return [madeNode("Resize", [node.input[0]!, roi, node.input[1]!], node.output[0]!, { mode, ...form })];
}

/**
 * Before version 13 it worked on a matrix: axes before `axis` (default 1) are its rows, the others its columns. The same as along
 * that axis where all behind it have size 1; else the tensor is made a matrix and brought back.
 */
function softmax(node: Node, { shape, add }: Context): Node[] {
  const sizes = shape(node.input[0]!);
  const given = integerAttribute(node, "axis", 1);
  const axis = given < 0 ? given + sizes.length : given;
  const operator = node.opType!;
  const output = node.output[0]!;
  if (sizes.slice(axis + 1).every((size) => size === 1))
    return [madeNode(operator, [node.input[0]!], output, { axis: Math.min(axis, sizes.length - 1) })];
  const made = (part: string): string => `${output}:${part}`;
  add(
    storedIntegers(
      made("sizes"),
      sizes.map((size, i) => (i === 0 ? -1 : size)),
    ),
  );
  return [
    madeNode("Flatten", [node.input[0]!], made("matrix"), { axis }),
    madeNode(operator, [made("matrix")], made("result"), { axis: 1 }),
    madeNode("Reshape", [made("result"), made("sizes")], output),
  ];
}

/** Without sizes the number of parts has to be said. */
function countedSplit(node: Node): Node[] {
  if (node.input[1]) return [node];
  const parts = { name: "num_outputs", type: 2, i: BigInt(node.output.length) };
  const made = madeNode("Split", node.input, node.output[0]!, { num_outputs: Number(parts.i) });
  return [{ ...node, attribute: [...node.attribute, ...made.attribute] }];
}
