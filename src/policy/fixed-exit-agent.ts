import type { NamedArray } from "../network/weights.ts";
import type { Agent } from "./agent.ts";
import { ACTIONS } from "./q-network.ts";

/** Far beyond what an agent says of itself, which lies between 0 and 1 less a price. */
const OUTWEIGHS = 1000;

/**
 * The agent with one more unit in each hidden layer, which outweighs all others: it sends every image on to exit `exit` and lets it leave
 * there. The others stay, so that its decisions take as long. From that exit's place in the observation on the unit carries 1.
 *
 * @param exit 0..E-1
 */
export function fixedExitAgent(agent: Agent, exit: number): Agent {
  const places = Array.from({ length: agent.exits }, (_, at) => (at < exit ? 0 : 1));
  return pathAgent(agent, places, 0);
}

/**
 * The same for an exit that each run chooses by its lambda, see `lambdaForExit`. With s = 1 + log10(lambda), the last column of the
 * observation, the unit carries relu(at - exit + 1), exit being s + E - 1.
 */
export function dialledExitAgent(agent: Agent): Agent {
  const places = Array.from({ length: agent.exits }, (_, at) => at - agent.exits + 2);
  const lambdaRange = { from: lambdaForExit(agent, 0), to: lambdaForExit(agent, agent.exits - 1) };
  return { ...pathAgent(agent, places, -1), lambdaRange };
}

/** The lambda at which `dialledExitAgent` lets an image leave at `exit`, 0..E-1: 1 + log10(lambda) = exit - E + 1. */
export function lambdaForExit({ exits }: Agent, exit: number): number {
  return 10 ** (exit - exits);
}

/** Q of `exit` minus Q of `continue` is -500 where the path carries 0, and 500 or more where it carries 1 or more. */
function pathAgent(agent: Agent, places: readonly number[], logLambda: number): Agent {
  const { hidden, dueling } = agent;
  const last = dueling ? "advantage" : "actions";
  const weights = new Map(agent.weights);
  const seen = (inputs: number): number[] => {
    const row = Array<number>(inputs).fill(0);
    places.forEach((place, at) => {
      row[at] = place;
    });
    row[inputs - 1] = logLambda;
    return row;
  };
  for (const [i] of hidden.entries()) {
    const name = `hidden.${i}`;
    const weight = i === 0 ? agent.weights.get(`${name}.weight`)! : withColumn(agent.weights.get(`${name}.weight`)!, 0);
    const inputs = weight.shape[1]!;
    const row = i === 0 ? seen(inputs) : [...Array<number>(inputs - 1).fill(0), 1];
    weights.set(`${name}.weight`, {
      shape: [weight.shape[0]! + 1, inputs],
      data: Float32Array.of(...weight.data, ...row),
    });
    const bias = agent.weights.get(`${name}.bias`)!.data;
    weights.set(`${name}.bias`, { shape: [bias.length + 1], data: Float32Array.of(...bias, 0) });
  }
  for (const name of dueling ? ["value", "advantage"] : ["actions"]) {
    const head = agent.weights.get(`${name}.weight`)!;
    const wider = hidden.length > 0 ? withColumn(head, 0) : { shape: head.shape, data: head.data.slice() };
    if (name === last) {
      const width = wider.shape[1]!;
      const row = hidden.length > 0 ? [...Array<number>(width - 1).fill(0), 1] : seen(width);
      for (const [column, value] of row.entries()) wider.data[(ACTIONS - 1) * width + column]! += OUTWEIGHS * value;
    }
    weights.set(`${name}.weight`, wider);
  }
  const bias = agent.weights.get(`${last}.bias`)!;
  const data = bias.data.slice();
  data[0]! += OUTWEIGHS / 2;
  weights.set(`${last}.bias`, { ...bias, data });
  return { ...agent, weights, hidden: hidden.map((width) => width + 1) };
}

/** One more column at the end. @param weight [out, in] */
function withColumn({ shape, data }: NamedArray, value: number): NamedArray {
  const [outputs, inputs] = shape as [number, number];
  const wider = new Float32Array(outputs * (inputs + 1)).fill(value);
  for (let out = 0; out < outputs; out++)
    wider.set(data.subarray(out * inputs, (out + 1) * inputs), out * (inputs + 1));
  return { shape: [outputs, inputs + 1], data: wider };
}
