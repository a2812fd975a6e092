/**
 * Somebody else's network as it is trained: the nodes of its file, one by one, as operators with gradients. What has none there stays
 * as it came, with everything before it.
 */
import { UserError } from "../errors.ts";
import { add, scale } from "../graph/elementwise.ts";
import type { Node } from "../graph/onnx_pb.ts";
import type { Update } from "../graph/optimizer.ts";
import { input, type Tensor, type Variable, variable } from "../graph/tensor.ts";
import { isStandard, labelOf, neededNames } from "../onnx/onnx-file.ts";
import type { Prepared } from "../onnx/prepare.ts";
import { dimensions } from "../onnx/stored-tensor.ts";
import { buildPart, partBetween, shapeFor } from "./imported-graph.ts";
import { fedInput, type OpenedNetwork } from "./imported-network.ts";
import { TRAINED_OPERATORS } from "./trained-operators.ts";
import {
  attributesOf,
  floatConstant,
  floatsOf,
  type NodeView,
  NotTrainable,
  oneNumber,
  type ParameterKind,
  type Statistics,
  type Value,
  wholeNumbers,
} from "./trained-value.ts";
import type { Weights } from "./weights.ts";

/** A node that stays as it came, and why. */
export interface FrozenNode {
  /** Operator and name, as messages name it. */
  readonly node: string;
  readonly reason: string;
}

export interface TrainedPartOptions {
  /** Names of tensors: all up to them stays as it came. */
  readonly frozenTo: readonly string[];
  /** Statistics of its batch norms: as they came, or of the batches. */
  readonly statistics: "kept" | "renewed";
}

/** What was built of a network. */
export interface TrainedPart {
  /** A tensor of the file. */
  readonly value: (name: string) => Value;
  readonly parameters: readonly Variable[];
  readonly statistics: readonly Update[];
  /** By the names of the file's nodes; those that something untrainable needs are not told apart. */
  readonly frozen: readonly FrozenNode[];
}

/** Share of the new batch in the running statistics, as in `training-graph.ts`. */
const STATISTICS_MOMENTUM = 0.1;

/** Its names begin so; what follows is the constant's name in the file, and what it is. */
export const BACKBONE = "backbone.";

/** The name of a constant in the file from that of its variable; null for one of a head. */
export function constantName(variableName: string): string | null {
  return variableName.startsWith(BACKBONE) ? variableName.slice(BACKBONE.length, variableName.lastIndexOf(".")) : null;
}

/**
 * @param images [B, C, H, W]
 * @param wanted tensors of the file that are needed
 * @param start values to start from, by the names of the variables
 * @throws {UserError} if nothing of it can be trained
 */
export function buildTrainedPart(
  network: OpenedNetwork,
  images: Tensor,
  wanted: readonly string[],
  options: TrainedPartOptions,
  start?: Weights,
): TrainedPart {
  const nodes = partBetween(network.prepared, new Set([network.prepared.main]), wanted).nodes;
  const failed = new Map<Node, string>();
  for (;;) {
    const stopping = [...options.frozenTo, ...[...failed.keys()].flatMap(({ output }) => output.filter(Boolean))];
    const built = buildNodes(network, images, nodes, options, nodesBefore(nodes, stopping), start);
    const frozen = [...failed].map(([node, reason]) => ({ node: labelOf(node), reason }));
    if (built.failed.length === 0 && built.parameters.length > 0) return { ...built, frozen };
    if (built.failed.length === 0) throw nothingLeft(network, options, frozen);
    for (const { node, reason } of built.failed) failed.set(node, reason);
  }
}

function nothingLeft(
  { name }: OpenedNetwork,
  { frozenTo }: TrainedPartOptions,
  frozen: readonly FrozenNode[],
): UserError {
  const last = frozen.at(-1);
  const found = last ? `${last.node} behind all of them: ${last.reason}` : `none behind ${frozenTo.join(" and ")}`;
  return new UserError(`tune: weights of ${name} that a gradient reaches expected, found ${found}; take --tune heads`);
}

/** The nodes that some tensors need. */
function nodesBefore(nodes: readonly Node[], names: readonly string[]): Set<Node> {
  const needed = new Set(names);
  const found = new Set<Node>();
  for (const node of [...nodes].reverse())
    if (node.output.some((name) => needed.has(name))) {
      found.add(node);
      for (const name of neededNames(node)) needed.add(name);
    }
  return found;
}

interface Failed {
  readonly node: Node;
  readonly reason: string;
}

function buildNodes(
  network: OpenedNetwork,
  images: Tensor,
  nodes: readonly Node[],
  { statistics: kind }: TrainedPartOptions,
  isFrozen: ReadonlySet<Node>,
  start: Weights | undefined,
) {
  const { prepared } = network;
  const values = frozenValues(network, images, nodes, isFrozen);
  const batch = images.shape[0]!;
  const made = variableMaker(prepared, start);
  const statistics: Update[] = [];
  const failed: Failed[] = [];
  for (const node of nodes) {
    if (isFrozen.has(node)) continue;
    const view = nodeView(prepared, node, batch, values, made, kind === "renewed" ? statistics : null);
    const built = tried(view);
    if (typeof built !== "string") {
      for (const [i, name] of node.output.entries()) if (name) values.set(name, built[i]!);
      continue;
    }
    failed.push({ node, reason: built });
    for (const name of node.output.filter(Boolean))
      values.set(name, { tensor: input(name, shapeFor(prepared, name, batch)), isMap: false, isTrained: true });
  }
  return { value: (name: string): Value => values.get(name)!, parameters: made.parameters, statistics, failed };
}

/** What the frozen nodes give, and the input. */
function frozenValues(
  network: OpenedNetwork,
  images: Tensor,
  nodes: readonly Node[],
  isFrozen: ReadonlySet<Node>,
): Map<string, Value> {
  const { prepared } = network;
  const fed = fedInput(network, images);
  const names = nodes.flatMap((node) => (isFrozen.has(node) ? node.output.filter(Boolean) : []));
  const part = partBetween(prepared, new Set([prepared.main]), names);
  const tensor = buildPart(prepared, part, new Map([[prepared.main, fed]]), true);
  const all = [prepared.main, ...names].map((name): [string, Value] => [
    name,
    { tensor: tensor(name), isMap: false, isTrained: false },
  ]);
  return new Map(all);
}

/** The node's values, or why it has none. */
function tried(view: NodeView): readonly Value[] | string {
  const { node } = view;
  const build = isStandard(node) ? TRAINED_OPERATORS[node.opType!] : undefined;
  if (!build) return `${node.opType} has no gradient here`;
  try {
    const built = build(view);
    return "tensor" in built ? [built] : built;
  } catch (error) {
    if (error instanceof NotTrainable || error instanceof RangeError) return error.message;
    throw error;
  }
}

/** Each constant becomes one variable, however many nodes read it. */
function variableMaker({ graph }: Prepared, start: Weights | undefined) {
  const made = new Map<string, Variable>();
  const parameters: Variable[] = [];
  const create = (name: string, kind: string): Variable => {
    const stored = graph.constants.get(name);
    if (!stored) throw new NotTrainable(`${name} stored in the file expected, found it computed`);
    const values = floatsOf(stored);
    const own = `${BACKBONE}${name}.${kind}`;
    return variable(own, dimensions(stored), () => start?.get(own)?.data ?? values);
  };
  return {
    parameters,
    parameter: (name: string, kind: ParameterKind): Variable => {
      const known = made.get(name);
      if (known) return known;
      const one = create(name, kind);
      made.set(name, one);
      parameters.push(one);
      return one;
    },
    running: (name: string, kind: "mean" | "variance"): Variable => create(name, kind),
  };
}

function nodeView(
  prepared: Prepared,
  node: Node,
  batch: number,
  values: ReadonlyMap<string, Value>,
  made: ReturnType<typeof variableMaker>,
  renewed: Update[] | null,
): NodeView {
  const { constants } = prepared.graph;
  const nameOf = (i: number): string => {
    const name = node.input[i];
    if (!name) throw new NotTrainable(`an input ${i + 1} expected, found none`);
    return name;
  };
  const stored = (i: number) => {
    if (!node.input[i]) return null;
    const found = constants.get(nameOf(i));
    if (!found) throw new NotTrainable(`${nameOf(i)} fixed expected, found it computed`);
    return found;
  };
  const view: NodeView = {
    node,
    batch,
    count: node.input.length,
    has: (i) => Boolean(node.input[i]),
    isConstant: (i) => constants.has(nameOf(i)),
    value: (i) => {
      const constant = constants.get(nameOf(i));
      if (constant) return { tensor: floatConstant(constant), isMap: false, isTrained: false };
      const value = values.get(nameOf(i))!;
      if (value.tensor.type !== "float32")
        throw new NotTrainable(`float32 expected, found ${value.tensor.type} in ${nameOf(i)}`);
      return value;
    },
    integers: (i) => {
      const found = stored(i);
      return found && wholeNumbers(found);
    },
    number: (i) => {
      const found = stored(i);
      return found && oneNumber(found);
    },
    parameter: (i, kind) => made.parameter(nameOf(i), kind),
    statistics: (mean, variance) => statisticsOf(view, made, [mean, variance], renewed),
    shape: (i = 0) => shapeFor(prepared, node.output[i]!, batch),
    ...attributesOf(node),
  };
  return view;
}

function statisticsOf(
  { node, value }: NodeView,
  made: ReturnType<typeof variableMaker>,
  [mean, variance]: readonly [number, number],
  renewed: Update[] | null,
): Statistics {
  if (!renewed) return { mean: value(mean).tensor, variance: value(variance).tensor, renew: null };
  const [ownMean, ownVariance] = [
    made.running(node.input[mean]!, "mean"),
    made.running(node.input[variance]!, "variance"),
  ];
  const update = (running: Variable, found: Tensor): Update => ({
    variable: running,
    next: add(scale(running, 1 - STATISTICS_MOMENTUM), scale(found, STATISTICS_MOMENTUM)),
  });
  const renew = (m: Tensor, v: Tensor): void => {
    renewed.push(update(ownMean, m), update(ownVariance, v));
  };
  return { mean: ownMean, variance: ownVariance, renew };
}
