/** Somebody else's operators as symbolic tensors: the nodes between two cuts, and nothing else. */
import { UserError } from "../errors.ts";
import { type ElementType, elementsFromBytes } from "../graph/elements.ts";
import type { Node, Attribute as StoredAttribute, Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { type Attribute, constant, nodes, type Shape, type Tensor } from "../graph/tensor.ts";
import { macsOfNodes } from "../onnx/cuts.ts";
import { isStandard, labelOf, producers } from "../onnx/onnx-file.ts";
import type { Prepared } from "../onnx/prepare.ts";
import { bytesPerValue, dimensions, rawBytes, storedBytes, typeName } from "../onnx/stored-tensor.ts";
import { blockedLayout } from "./blocked-layout.ts";

/** What lies between some tensors and some others. */
export interface Part {
  readonly nodes: readonly Node[];
  readonly constants: readonly string[];
}

/** Nodes and constants that `wanted` needs, from `given` on. @throws {UserError} if something is needed that neither gives */
export function partBetween({ graph, main }: Prepared, given: ReadonlySet<string>, wanted: readonly string[]): Part {
  const made = producers(graph.nodes);
  const found = new Set<Node>();
  const constants = new Set<string>();
  const waiting = wanted.filter((name) => !given.has(name));
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const node = made.get(name);
    if (graph.constants.has(name)) constants.add(name);
    else if (!node)
      throw new UserError(
        `network: an answer that depends on the input ${main} alone expected, found one that also needs ${name}; ` +
          "export the network with that input fixed",
      );
    else if (!found.has(node)) {
      found.add(node);
      waiting.push(...node.input.filter((one) => one !== "" && !given.has(one)));
    }
  }
  return { nodes: graph.nodes.filter((node) => found.has(node)), constants: [...constants] };
}

/** Its multiply-accumulates, trainable numbers and bytes. */
export function partCost(prepared: Prepared, { nodes: own, constants }: Part) {
  const weights = constants
    .map((name) => prepared.graph.constants.get(name)!)
    .filter(({ dataType }) => !/^(int64|int32|bool)$/.test(typeName(dataType)));
  const bytes = weights.reduce((sum, one) => sum + storedBytes(one), 0);
  const parameters = weights.reduce((sum, one) => sum + storedBytes(one) / bytesPerValue(typeName(one.dataType)), 0);
  return { macs: macsOfNodes(prepared, own), parameters, bytes };
}

/**
 * Builds a part. Constants are made anew for each: a file's writer puts each into the graph or body that needs it first, which keeps
 * the runtime's packed layout there.
 *
 * @param given what the part begins with, by name
 * @param inBlocks see `blockedLayout`; false for convolutions in 8 bits, which have another layout
 * @throws {UserError} if a node has a form that cannot be carried
 */
export function buildPart(
  prepared: Prepared,
  part: Part,
  given: ReadonlyMap<string, Tensor>,
  inBlocks: boolean,
): (name: string) => Tensor {
  const { graph, tensors } = prepared;
  const batch = [...given.values()][0]?.shape[0] ?? 1;
  const known = new Map(given);
  const named = (name: string): Tensor => {
    const found = known.get(name);
    if (found) return found;
    const made = storedConstant(graph.constants.get(name)!);
    known.set(name, made);
    return made;
  };
  const layout = blockedLayout();
  for (const node of part.nodes) {
    const inputs = node.input.map((name) => (name === "" ? null : named(name)));
    const output = [...node.output];
    while (output.at(-1) === "") output.pop();
    const results = output.map((name) => {
      const type = (tensors.get(name)?.type ?? "float32") as ElementType;
      return { shape: shapeFor(prepared, name, batch), type };
    });
    const domain = isStandard(node) ? "" : node.domain!;
    const step = inBlocks ? layout(domain === "" ? node.opType! : "", inputs) : null;
    const built = nodes(node.opType!, step?.inputs ?? inputs, attributesOf(node), results, domain);
    step?.made(built);
    output.forEach((name, i) => {
      if (name) known.set(name, built[i]!);
    });
  }
  return named;
}

/** Of a tensor for a batch of that size: sizes are linear in it. */
export function shapeFor({ tensors, seen: [two, three] }: Prepared, name: string, batch: number): Shape {
  const more = (axis: number): number => (three.get(name)?.[axis] ?? 0) - (two.get(name)?.[axis] ?? 0);
  return (tensors.get(name)?.shape ?? []).map((size, axis) => size + (batch - 1) * more(axis));
}

function storedConstant(tensor: StoredTensor): Tensor {
  const type = typeName(tensor.dataType) as Exclude<ElementType, "string">;
  return constant(elementsFromBytes(rawBytes(tensor), type), dimensions(tensor), type);
}

function attributesOf(node: Node): Record<string, Attribute> {
  return Object.fromEntries(node.attribute.map((one) => [one.name!, attributeOf(one, node)]));
}

function attributeOf(one: StoredAttribute, node: Node): Attribute {
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  switch (one.type) {
    case 1:
      return { float: one.f! };
    case 2:
      return one.i!;
    case 3:
      return text(one.s!);
    case 4:
      return { tensor: storedConstant(one.t!) };
    case 6:
      return { floats: one.floats };
    case 7:
      return one.ints;
    case 8:
      return { strings: one.strings.map(text) };
    default:
      throw new UserError(
        `network: operators without bodies of their own expected between input and answer, found ${labelOf(node)}, ` +
          "whose way depends on the picture; export the network without it",
      );
  }
}
