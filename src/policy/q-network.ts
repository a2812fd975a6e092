import { stateWidth } from "../exits/observation.ts";
import { multiplyAccumulates } from "../graph/cost.ts";
import { add, relu, subtract } from "../graph/elementwise.ts";
import { linear } from "../graph/linear.ts";
import { reduceMean } from "../graph/reduce.ts";
import { constant, input, type Shape, sizeOf, type Tensor, variable } from "../graph/tensor.ts";
import { initialValues, type NamedArray, type Weights } from "../network/weights.ts";

/** CONTINUE and EXIT */
export const ACTIONS = 2;

export interface QNetworkShape {
  /** D, the width of an observation */
  readonly inputs: number;
  /** widths of the hidden layers */
  readonly hidden: readonly number[];
  /** Q = V + A - mean(A) in place of one output per action; Wang et al. (2016), eq. 9 */
  readonly dueling: boolean;
}

/** Gives the tensor of a parameter: a variable while learning, a constant where the policy is used. */
export type Parameter = (name: string, shape: Shape) => Tensor;

/**
 * Q-values [B, 2] of `continue` and `exit`: linear layers with ReLU between them.
 *
 * @param observation [B, D]
 */
export function qNetwork(observation: Tensor, { hidden, dueling }: QNetworkShape, parameter: Parameter): Tensor {
  const layer = (x: Tensor, name: string, out: number): Tensor =>
    linear(x, parameter(`${name}.weight`, [out, x.shape[1]!]), parameter(`${name}.bias`, [out]));
  const top = hidden.reduce((x, width, i) => relu(layer(x, `hidden.${i}`, width)), observation);
  if (!dueling) return layer(top, "actions", ACTIONS);
  const advantage = layer(top, "advantage", ACTIONS);
  return add(layer(top, "value", 1), subtract(advantage, reduceMean(advantage, [1], true)));
}

/** First values of every parameter: uniform in +-1 / sqrt(inputs of the layer), biases 0. @param prefix other ones for another prefix */
export function initialQWeights(shape: QNetworkShape, seed: number, prefix = ""): Map<string, NamedArray> {
  const weights = new Map<string, NamedArray>();
  qNetwork(input("observation", [1, shape.inputs]), shape, (name, size) => {
    const data = initialValues(prefix + name, size, seed);
    weights.set(name, { shape: size, data });
    return constant(data, size);
  });
  return weights;
}

/** The shape of every parameter, by name. Makes none of them. */
export function qWeightShapes(shape: QNetworkShape): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  qNetwork(input("observation", [1, shape.inputs]), shape, (name, size) => {
    shapes.set(name, size);
    return unmade(name, size);
  });
  return shapes;
}

/** A parameter for a graph that is only looked at: it takes no memory. */
function unmade(name: string, size: Shape): Tensor {
  return variable(name, size, () => new Float32Array(sizeOf(size)));
}

/** Widths of the hidden layers of `meanNetwork`. @param hidden of one member */
export function meanWidths({ hidden, members }: { readonly hidden: readonly number[]; readonly members: number }) {
  return hidden.map((width) => width * members);
}

/**
 * One network whose Q-values are the mean of those of its members, which are all of one shape: hidden layers side by side,
 * each member seeing its own alone, and heads added up, each by its share.
 */
export function meanNetwork(members: readonly Weights[], { hidden }: Pick<QNetworkShape, "hidden">): Weights {
  const count = members.length;
  const joined = [...members[0]!].map(([name, { shape }]): [string, NamedArray] => {
    const isHead = !name.startsWith("hidden.");
    const seesAll = shape.length === 1 || hidden.length === 0 || name.startsWith("hidden.0."); // a bias is one column
    const [out, inputs = 1] = shape as [number, number?];
    const [rows, columns] = [isHead ? out : count * out, seesAll ? inputs : count * inputs];
    const data = new Float32Array(rows * columns);
    members.forEach((weights, m) => {
      const [firstRow, firstColumn] = [isHead ? 0 : m * out, seesAll ? 0 : m * inputs];
      weights.get(name)!.data.forEach((value, at) => {
        const row = firstRow + Math.floor(at / inputs);
        data[row * columns + firstColumn + (at % inputs)]! += isHead ? value / count : value;
      });
    });
    return [name, { shape: shape.length === 1 ? [rows] : [rows, columns], data }];
  });
  return new Map(joined);
}

/** The same weights. @throws {RangeError} if they are not those of a network of this shape */
export function checkedQWeights(weights: Weights, shape: QNetworkShape): Weights {
  for (const [name, expected] of qWeightShapes(shape)) {
    const found = weights.get(name);
    if (found?.shape.join() !== expected.join())
      throw new RangeError(
        `trainAgent: start with ${name} of shape [${expected}] expected, found [${found?.shape ?? "none"}]`,
      );
  }
  return weights;
}

/** The weights as constants, for a graph that only decides. */
export function constantParameters(weights: Weights): Parameter {
  return (name, shape) => {
    const found = weights.get(name);
    if (!found || found.data.length !== sizeOf(shape))
      throw new RangeError(
        `q-network: weight ${name} of shape [${shape}] expected, found ${found ? `[${found.shape}]` : "none"}; ` +
          "the policy belongs to another network",
      );
    return constant(found.data, shape);
  };
}

/** Multiply-accumulates of one decision, counted on the graph itself. */
export function policyMacs(exits: number, classes: number, hidden: readonly number[], dueling: boolean): number {
  const shape = { inputs: stateWidth(exits, classes) + 1, hidden, dueling };
  const observed = input("observation", [1, shape.inputs]);
  return multiplyAccumulates([qNetwork(observed, shape, unmade)]);
}
