/**
 * What of a network can be in 8 bits: found on the float graph of each stage, whoever made the network. The same network gives the same
 * points and convolutions in the same order, so that scales are stored as a list.
 */
import { input, type Source, type Tensor } from "../graph/tensor.ts";
import type { BuiltStageTensors, StagedNetwork } from "../network/staged-network.ts";

/** A map of which it has to be known how its values become 8 bits. */
export interface Point {
  readonly tensor: Tensor;
  /** What computes it; "input" for what comes from outside. */
  readonly operator: string;
  /** The only thing that is done with it, max pools aside: then what it maps to nothing (relu) or next to nothing (gelu) may be clipped. */
  readonly before: "Gelu" | "Relu" | null;
  /** The point of the same stage whose steps it has: that of a max pool's input. */
  readonly sharesWith: number | null;
}

/** A convolution that can be computed in integers. */
export interface Convolution {
  readonly source: Node;
  /** Float weights, [O, C / groups, k, k]. */
  readonly weights: Float32Array;
}

export type Node = Extract<Source, { kind: "node" }>;

/** One stage, as float graph and what can be done with it. */
export interface StagePlan {
  /** 0..E-1 */
  readonly stage: number;
  /** What the float graph takes. */
  readonly from: readonly Tensor[];
  readonly built: BuiltStageTensors;
  readonly points: readonly Point[];
  readonly convolutions: readonly Convolution[];
  /** Shape and type of every output of every node, as far as it is used. */
  readonly results: ReadonlyMap<Node, readonly Pick<Tensor, "shape" | "type">[]>;
  /** What uses a tensor's values: nodes, or "next" for the next stage. */
  readonly users: ReadonlyMap<Source, readonly (Node | "next")[]>;
}

/** @param batch of the graph */
export function planStage(network: StagedNetwork, stage: number, batch: number): StagePlan {
  const specs =
    stage === 0
      ? network.inputs.map(({ shape, type }) => ({ shape: [1, ...shape], type }))
      : network.stages[stage - 1]!.handsOn;
  const from = specs.map(({ shape, type }, i) => input(`from${i}`, [batch, ...shape.slice(1)], type));
  const built = network.build(stage, from, "batchFirst");
  const { ordered, users, results } = walk(from, built);
  const maps = ordered.filter((one) => isMap(one) && !isFolded(one, users));
  const indexOf = new Map(maps.map(({ source }, i) => [source, i]));
  const points = maps.map((tensor): Point => {
    const { source } = tensor;
    const pooled = source.kind === "node" && source.operator === "MaxPool" ? source.inputs[0]!.source : null;
    return {
      tensor,
      operator: source.kind === "node" ? source.operator : "input",
      before: userBehindPools(source, users),
      sharesWith: (pooled && indexOf.get(pooled)) ?? null,
    };
  });
  const convolutions = ordered.flatMap(({ source }) => {
    if (source.kind !== "node" || source.operator !== "Conv") return [];
    const [x, weight, bias = null] = source.inputs;
    const weights = floatsOf(weight!);
    const canBe = weights && indexOf.has(x!.source) && (bias === null || floatsOf(bias));
    return canBe ? [{ source, weights }] : [];
  });
  return { stage, from, built, points, convolutions, users, results };
}

/** Operators that multiply and stay in float, whatever is chosen: heads, products of maps, convolutions whose weights are computed. */
export function floatProducts({ convolutions, results }: StagePlan): string[] {
  const integer = new Set<Source>(convolutions.map(({ source }) => source));
  const isProduct = (node: Node): boolean => PRODUCTS.includes(node.operator) && !integer.has(node);
  return [...results.keys()].filter(isProduct).map(({ operator }) => operator);
}

const PRODUCTS = ["Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU"];

function floatsOf({ source }: Tensor): Float32Array | null {
  return source.kind === "constant" && source.data instanceof Float32Array ? source.data : null;
}

/** Everything that the stage computes and takes, each after what it needs. */
function walk(from: readonly Tensor[], { handsOn, logits }: BuiltStageTensors) {
  const ordered: Tensor[] = [];
  const users = new Map<Source, (Node | "next")[]>();
  const seen = new Set<Source>();
  const results = new Map<Node, Pick<Tensor, "shape" | "type">[]>();
  const use = (source: Source, user: Node | "next"): void => {
    users.set(source, [...(users.get(source) ?? []), user]);
  };
  const visit = (tensor: Tensor): void => {
    const { source, index, shape, type } = tensor;
    if (source.kind === "node") {
      const known = results.get(source) ?? Array.from({ length: source.outputCount }, () => ({ shape, type }));
      known[index] = { shape, type };
      results.set(source, known);
    }
    if (seen.has(source)) return;
    seen.add(source);
    if (source.kind === "node")
      for (const one of source.inputs) {
        if (!one) continue;
        visit(one);
        use(one.source, source);
      }
    if (source.kind !== "constant") ordered.push(tensor);
  };
  for (const one of from) visit(one);
  for (const one of handsOn) {
    visit(one);
    use(one.source, "next");
  }
  visit(logits);
  return { ordered, users, results };
}

function isMap({ shape, type, source, index }: Tensor): boolean {
  const isSingle = source.kind !== "node" || (source.outputCount === 1 && !source.operator.startsWith("Global"));
  return shape.length === 4 && type === "float32" && isSingle && index === 0;
}

/**
 * ONNX Runtime lets a relu or clip disappear into what comes before it (a convolution, a sum) and the rounding after it: nothing in
 * between may be rounded.
 */
function isFolded({ source }: Tensor, users: StagePlan["users"]): boolean {
  const used = users.get(source) ?? [];
  const canTake = source.kind === "node" && (source.operator === "Conv" || source.operator === "Add");
  return canTake && used.length > 0 && used.every((user) => user !== "next" && isRectifier(user));
}

export function isRectifier({ operator }: Node): boolean {
  return operator === "Relu" || operator === "Clip";
}

function userBehindPools(source: Source, users: StagePlan["users"]): Point["before"] {
  const [user, ...others] = users.get(source) ?? [];
  if (!user || user === "next" || others.length > 0) return null;
  if (user.operator === "MaxPool") return userBehindPools(user, users);
  return user.operator === "Gelu" || user.operator === "Relu" ? user.operator : null;
}

/**
 * Which points are really rounded to 8 bits, given the convolutions that stay in float: what a convolution in integers takes and gives,
 * what is handed to the next stage, and what lies between two such.
 */
export function roundedPoints({ stage, points, convolutions, users }: StagePlan, kept: ReadonlySet<number>): boolean[] {
  const integer = new Set<Source>(convolutions.flatMap(({ source }, i) => (kept.has(i) ? [] : [source])));
  const rounded = new Map<Source, boolean>();
  return points.map(({ tensor: { source } }) => {
    const isTaken = (users.get(source) ?? []).some((user) => user === "next" || integer.has(user));
    const isHandedOn = stage > 0 && source.kind === "input"; // rounded by the stage before
    const isRounded = isTaken || isHandedOn || (source.kind === "node" && givesIntegers(source, integer, rounded));
    rounded.set(source, isRounded);
    return isRounded;
  });
}

/** Whether a node computes in integers, given that its output is rounded. */
function givesIntegers(node: Node, integer: ReadonlySet<Source>, rounded: ReadonlyMap<Source, boolean>): boolean {
  const isInteger = (one: Tensor | null): boolean => one !== null && rounded.get(one.source) === true;
  if (node.operator === "Conv") return integer.has(node);
  if (isRectifier(node)) {
    const { source } = node.inputs[0]!;
    return isInteger(node.inputs[0]!) || (source.kind === "node" && givesIntegers(source, integer, rounded));
  }
  if (node.operator === "MaxPool") return isInteger(node.inputs[0]!);
  if (node.operator === "Add" || node.operator === "Concat") return node.inputs.every(isInteger);
  return false;
}
