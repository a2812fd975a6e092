import { UserError } from "../errors.ts";
import type { AnswerRule, AnswerTable } from "../exits/answers.ts";
import type { ExitCosts } from "../exits/exit-table.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import { observation, observations, stateWidth } from "../exits/observation.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import type { Weights } from "../network/weights.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { ACTIONS, constantParameters, qNetwork } from "./q-network.ts";

/** A learned exit policy: plain data, all that deciding needs besides the costs. */
export interface Agent extends AnswerRule {
  /** of the Q-network, see `qNetwork` for the names */
  readonly weights: Weights;
  readonly hidden: readonly number[];
  readonly dueling: boolean;
  readonly exits: number;
  readonly classes: number;
  /** It was trained for lambdas from the one to the other, both included. */
  readonly lambdaRange: LambdaRange;
}

/** Q-values [B, 2] of `continue` and `exit`, with the agent's weights as constants. @param observed [B, D] */
function agentQValues({ weights, hidden, dueling }: Agent, observed: Tensor): Tensor {
  return qNetwork(observed, { inputs: observed.shape[1]!, hidden, dueling }, constantParameters(weights));
}

/**
 * Q-values [N, E, 2] of `continue` and `exit` for every image at every exit, for each lambda.
 *
 * @param answers by the agent's own rule
 * @throws {UserError} if a lambda is outside the range that the agent was trained for
 */
export async function qValues(
  runtime: Runtime,
  agent: Agent,
  answers: AnswerTable,
  costs: ExitCosts,
  lambdas: readonly number[],
): Promise<Float32Array[]> {
  for (const lambda of lambdas) checkLambda(agent, lambda);
  if (answers.exits !== agent.exits || answers.classes !== agent.classes)
    throw new RangeError(
      `agent: answers of ${agent.exits} exits and ${agent.classes} classes expected, found ${answers.exits} and ${answers.classes}`,
    );
  const state = input("state", [1, stateWidth(agent.exits, agent.classes)]);
  const q = agentQValues(agent, observation(state, input("lambda", [1, 1])));
  const program = await Program.compile(runtime, { outputs: { q }, anyBatch: true });
  try {
    const states = await observations(runtime, answers, costs);
    const results: Float32Array[] = [];
    for (const lambda of lambdas) {
      const column = new Float32Array(answers.count * answers.exits).fill(lambda);
      results.push((await program.run({ state: states, lambda: column })).q!);
    }
    return results;
  } finally {
    await program.close();
  }
}

/** @throws {UserError} if lambda is outside the range that the agent was trained for */
export function checkLambda({ lambdaRange: { from, to } }: Agent, lambda: number): void {
  // a hair of slack: the ends may have been computed as powers
  if (typeof lambda !== "number" || !(lambda >= from * (1 - 1e-9) && lambda <= to * (1 + 1e-9)))
    throw new UserError(
      `lambda: ${from} to ${to} expected (what the policy was trained for), found ${lambda}; ` +
        "choose one inside, or train with another lambda range",
    );
}

/** The exit that the agent takes for each image, [N]: the first one where exiting is worth at least as much as going on. */
export function greedyExits(q: Float32Array, exits: number): Uint8Array {
  const chosen = new Uint8Array(q.length / (exits * ACTIONS));
  for (let i = 0; i < chosen.length; i++) {
    const row = i * exits * ACTIONS;
    let exit = 0;
    // written so that a NaN, which compares false with everything, does not end an episode
    while (exit < exits - 1 && !(q[row + exit * ACTIONS + 1]! >= q[row + exit * ACTIONS]!)) exit++;
    chosen[i] = exit;
  }
  return chosen;
}

/**
 * The exit [N] that the agent takes for each image: epsilon 0, nothing overrides it.
 *
 * @throws {UserError} if lambda is outside the range that the agent was trained for
 */
export async function decide(
  runtime: Runtime,
  agent: Agent,
  answers: AnswerTable,
  costs: ExitCosts,
  lambda: number,
): Promise<Uint8Array> {
  const [q] = await qValues(runtime, agent, answers, costs, [lambda]);
  return greedyExits(q!, answers.exits);
}
