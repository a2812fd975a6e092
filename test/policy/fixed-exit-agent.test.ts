import { expect, test } from "vitest";
import { type AnswerTable, plainRule } from "../../src/exits/answers.ts";
import { stateWidth } from "../../src/exits/observation.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { decide } from "../../src/policy/agent.ts";
import { dialledExitAgent, fixedExitAgent, lambdaForExit } from "../../src/policy/fixed-exit-agent.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";

const [EXITS, CLASSES, COUNT] = [4, 3, 50];
const costs = { exitMacs: [1, 2, 3, 4], fullMacs: 3.5 };
const random = seededRandom(3);
const answers: AnswerTable = {
  logProbabilities: Float32Array.from({ length: COUNT * EXITS * CLASSES }, () => -3 * Math.abs(normal(random))),
  labels: new Uint16Array(COUNT),
  count: COUNT,
  exits: EXITS,
  classes: CLASSES,
};

test.each([
  { hidden: [6, 5], dueling: false },
  { hidden: [6, 5], dueling: true },
  { hidden: [], dueling: false },
])(
  "leaves at its exit, or at that which lambda names, whatever it sees and costs as much: %o",
  async ({ hidden, dueling }) => {
    const shape = { inputs: stateWidth(EXITS, CLASSES) + 1, hidden, dueling };
    const agent: Agent = {
      weights: initialQWeights(shape, 1),
      hidden,
      dueling,
      exits: EXITS,
      classes: CLASSES,
      ...plainRule(EXITS),
      lambdaRange: { from: 0.01, to: 1 },
    };
    for (let exit = 0; exit < EXITS; exit++) {
      const fixed = fixedExitAgent(agent, exit);
      for (const lambda of [0.01, 1]) {
        const exits = await decide(createNodeRuntime({ threads: 1 }), fixed, answers, costs, lambda);
        expect([...exits]).toEqual(Array(COUNT).fill(exit));
      }
      const dialled = await decide(
        createNodeRuntime({ threads: 1 }),
        dialledExitAgent(agent),
        answers,
        costs,
        lambdaForExit(agent, exit),
      );
      expect([...dialled]).toEqual(Array(COUNT).fill(exit));
      expect(fixed.hidden).toEqual(hidden.map((width) => width + 1)); // its own units stay, with one that outweighs them
    }
  },
);
