/**
 * Where a network can be cut: a tensor through which everything passes that the input tells the answer, a dominator of the data flow.
 *
 * Constants and shape arithmetic aside, nodes that lie between input and answer are numbered in their order. A tensor is a dominator
 * exactly if no other one that is needed later was made before it. Cheap things that are computed from the inputs alone, such as a
 * mask, do not count: they are handed on beside it.
 */
import type { Node } from "../graph/onnx_pb.ts";
import { nodeMacs } from "./cost.ts";
import { dependingOn, labelOf, neededNames } from "./onnx-file.ts";
import type { Prepared, PreparedTensor } from "./prepare.ts";
import { bytesPerValue } from "./stored-tensor.ts";

export interface Cut {
  /** The tensor's name in the file. */
  readonly name: string;
  /** For one picture. */
  readonly shape: readonly number[];
  readonly type: string;
  /** MACs for one picture before it and after it. */
  readonly macsBefore: number;
  readonly macsAfter: number;
  /** macsBefore / (macsBefore + macsAfter) */
  readonly share: number;
  /** All that is handed on for one picture, side tensors included. */
  readonly bytes: number;
  /** Side tensors that are handed on with it. */
  readonly beside: readonly string[];
  /** It is no larger than the cuts around it: reading it costs a head, and handing it on, the least. */
  readonly isNarrow: boolean;
}

/** Cuts before any work, or where next to nothing is left to save, are of no use. */
const MOST_SHARE = 0.995;
/** A side tensor is at most this part of the network's largest tensor. */
const SIDE_SHARE = 1 / 8;

/** MACs of the network for one picture. */
export function totalMacs(prepared: Prepared): number {
  return macsOfNodes(prepared, prepared.graph.nodes);
}

/** What the second and third picture of a batch add to each other: work that is done once for all of them does not count. */
export function macsOfNodes({ seen }: Prepared, nodes: readonly Node[]): number {
  return nodes.reduce((sum, node) => {
    const [two, three] = seen.map((shapes) => nodeMacs(node, (name) => shapes.get(name))) as [number, number];
    return sum + (three - two);
  }, 0);
}

/** Along the data flow, from input to answer. */
export function findCuts(prepared: Prepared): Cut[] {
  const flow = dataFlow(prepared);
  const total = totalMacs(prepared);
  const all = dominators(prepared, flow).map(({ name, position }): Omit<Cut, "isNarrow"> => {
    const beside = handedBeside(prepared, flow, position, name);
    const tensor = prepared.tensors.get(name)!;
    const macsBefore = flow.macsUpTo(position);
    return {
      name,
      shape: tensor.shape,
      type: tensor.type,
      macsBefore,
      macsAfter: total - macsBefore,
      share: total === 0 ? 0 : macsBefore / total,
      bytes: [name, ...beside].reduce((sum, one) => sum + bytesOfTensor(prepared.tensors.get(one)!), 0),
      beside,
    };
  });
  const canBeHandedOn = (name: string): boolean => prepared.tensors.get(name)?.batchAxis === 0;
  const useful = all.filter(
    ({ share, macsBefore, beside }) => macsBefore > 0 && share < MOST_SHARE && beside.every(canBeHandedOn),
  );
  const chosen = useful.filter((cut, i) => cut === lastOfRun(useful, i));
  return chosen.map((cut, i) => ({
    ...cut,
    isNarrow: cut.bytes <= (chosen[i - 1]?.bytes ?? cut.bytes) && cut.bytes <= (chosen[i + 1]?.bytes ?? cut.bytes),
  }));
}

/** Of the cuts between which nothing is multiplied the last one, one that is still a map before one that is flattened. */
function lastOfRun<Some extends Omit<Cut, "isNarrow">>(cuts: readonly Some[], at: number): Some {
  const run = cuts.filter(({ macsBefore }) => macsBefore === cuts[at]!.macsBefore);
  const rank = Math.max(...run.map(({ shape }) => shape.length));
  return run.filter(({ shape }) => shape.length === rank).at(-1)!;
}

export function bytesOfTensor({ shape, type }: PreparedTensor): number {
  return shape.reduce((product, size) => product * size, 1) * bytesPerValue(type);
}

interface Flow {
  /** Nodes that the answer needs and that depend on the main input, side tensors' aside, in their order. */
  readonly nodes: readonly Node[];
  readonly isMain: ReadonlySet<string>;
  readonly macsUpTo: (position: number) => number;
}

function dataFlow(prepared: Prepared): Flow {
  const { graph, main } = prepared;
  const dependent = dependingOn(graph.nodes, new Set([main]));
  const sides = sideTensors(prepared, dependent);
  const isMain = new Set([...dependent].filter((name) => !sides.has(name)));
  const needed = new Set([prepared.answer]);
  const nodes = [...graph.nodes]
    .reverse()
    .filter((node) => {
      const isPart = node.output.some((name) => needed.has(name) && isMain.has(name));
      if (isPart) for (const name of neededNames(node)) if (isMain.has(name)) needed.add(name);
      return isPart;
    })
    .reverse();
  const sums: number[] = [];
  for (const node of nodes) sums.push((sums.at(-1) ?? 0) + macsOfNodes(prepared, [node]));
  return { nodes, isMain, macsUpTo: (position) => sums[position] ?? 0 };
}

/** Small tensors that no multiplication stands before: masks, and what is computed from shapes. */
function sideTensors(prepared: Prepared, dependent: ReadonlySet<string>): Set<string> {
  const { graph, tensors, main } = prepared;
  const sizes = [...tensors.values()].map(bytesOfTensor);
  const limit = SIDE_SHARE * sizes.reduce((most, size) => Math.max(most, size), 0);
  const free = new Set([main]);
  const sides = new Set<string>();
  for (const node of graph.nodes) {
    const isFree = neededNames(node).every((name) => !dependent.has(name) || free.has(name));
    if (!isFree || macsOfNodes(prepared, [node]) > 0) continue;
    for (const name of node.output) {
      const tensor = tensors.get(name);
      if (!tensor || !dependent.has(name)) continue;
      free.add(name);
      const isMask = tensor.type === "bool" || tensor.type.startsWith("int");
      if (name !== prepared.answer && (isMask || bytesOfTensor(tensor) <= limit)) sides.add(name);
    }
  }
  return sides;
}

/** Tensors that no edge of the flow passes by, with the position of the node that makes them. */
function dominators(
  { tensors, answer, main }: Prepared,
  { nodes, isMain }: Flow,
): { name: string; position: number }[] {
  const lastUse = new Map<string, number>();
  nodes.forEach((node, position) => {
    for (const name of neededNames(node)) if (isMain.has(name)) lastUse.set(name, position);
  });
  const found: { name: string; position: number }[] = [];
  let open = lastUse.get(main) ?? -1; // the last use of anything made before this position
  nodes.forEach(({ output }, position) => {
    const used = output.filter((name) => lastUse.has(name));
    const isOnly = open <= position && used.length === 1;
    const tensor = tensors.get(used[0] ?? "");
    if (isOnly && tensor?.batchAxis === 0 && used[0] !== answer) found.push({ name: used[0]!, position });
    for (const name of used) open = Math.max(open, lastUse.get(name)!);
  });
  return found;
}

/** What is needed behind a cut, was made before it from the inputs, and is not the cut itself. */
function handedBeside({ graph, main, inputs }: Prepared, flow: Flow, position: number, cut: string): string[] {
  const before = new Set(flow.nodes.slice(0, position + 1));
  const fromInputs = dependingOn(graph.nodes, new Set([main, ...inputs.map(({ name }) => name)]));
  const after = dependingOn(graph.nodes, new Set([cut]));
  const beside = new Set<string>();
  for (const node of graph.nodes) {
    if (before.has(node) || !node.output.some((name) => after.has(name))) continue;
    for (const name of neededNames(node))
      if (name !== cut && fromInputs.has(name) && !after.has(name)) beside.add(name);
  }
  return [...beside];
}

/** Of a network without a cut: the operator that joins what ran side by side until there, in words. null if nothing runs so. */
export function lastJoin(prepared: Prepared): string | null {
  const { nodes, isMain } = dataFlow(prepared);
  const join = nodes.findLast(({ input }) => new Set(input.filter((name) => isMain.has(name))).size > 1);
  return join
    ? `${labelOf(join)} joins ${[...new Set(join.input.filter((name) => isMain.has(name)))].join(" and ")}`
    : null;
}

/** What the network's own classifier reads, before it is pooled: between its last multiplications but one and its last. null if nothing. */
export function lastFeatures(prepared: Prepared): string | null {
  const flow = dataFlow(prepared);
  const total = flow.macsUpTo(flow.nodes.length - 1);
  const found = dominators(prepared, flow).filter(({ position }) => {
    const macs = flow.macsUpTo(position);
    return macs > 0 && macs < total;
  });
  const most = Math.max(...found.map(({ position }) => flow.macsUpTo(position)));
  const run = found.filter(({ position }) => flow.macsUpTo(position) === most).map(({ name }) => name);
  const fields = (name: string): number => bytesOfTensor(prepared.tensors.get(name)!);
  const largest = Math.max(...run.map(fields)); // before it is pooled
  return run.filter((name) => fields(name) === largest).at(-1) ?? null;
}
