import { stateWidth } from "../exits/observation.ts";
import type { Agent } from "./agent.ts";
import { ACTIONS, initialQWeights } from "./q-network.ts";

/**
 * An agent of the same size, whose decisions therefore take as long, that sends every image on to exit `exit` and lets it leave
 * there: one path through the Q-network carries 1 from that exit's place in the observation on; all other weights are 0.
 * Q of `exit` minus Q of `continue` is -0.5 before that exit, 0.5 there and after it.
 *
 * @param exit 0..E-1
 */
export function fixedExitAgent(agent: Agent, exit: number): Agent {
  const places = Array.from({ length: agent.exits }, (_, at) => (at < exit ? 0 : 1));
  return pathAgent(agent, places, 0);
}

/**
 * The same for an exit that each run chooses by its lambda, see `lambdaForExit`. With s = 1 + log10(lambda), the last column of the
 * observation, the path carries relu(at - exit + 1), exit being s + E - 1.
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

/** One path through the Q-network: the weighted sum of the exit's one-hot place and of scaled log lambda, passed on to the end. */
function pathAgent(agent: Agent, places: readonly number[], logLambda: number): Agent {
  const { exits, classes, hidden, dueling } = agent;
  const shape = { inputs: stateWidth(exits, classes) + 1, hidden, dueling };
  const weights = new Map(
    [...initialQWeights(shape, 0)].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]),
  );
  const last = dueling ? "advantage" : "actions";
  const layers = [...hidden.map((_, i) => `hidden.${i}`), last];
  for (const [i, layer] of layers.entries()) {
    const { shape, data } = weights.get(`${layer}.weight`)!;
    const width = shape[1]!;
    const row = layer === last ? (ACTIONS - 1) * width : 0;
    if (i === 0) {
      data.set(places, row);
      data[row + width - 1] = logLambda;
    } else data[row] = 1;
  }
  weights.get(`${last}.bias`)!.data[0] = 0.5;
  return { ...agent, weights };
}
