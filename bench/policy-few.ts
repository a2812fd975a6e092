/**
 * What few validation pictures teach: policies are learned from some pictures of a model's validation part and judged on all others.
 * For each kind of reward: points lost against the last exit, and the share of the full cost saved, at the recommended lambda.
 *
 *   npx tsx bench/policy-few.ts --model models/cifar10 --pictures 276 --draws 20
 */
import { parseArgs } from "node:util";
import { answersOf } from "../src/exits/answers.ts";
import { correctAnswers, exitAccuracies } from "../src/exits/environment.ts";
import { REWARDS } from "../src/exits/episodes.ts";
import { tableSubset } from "../src/exits/exit-table.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { decide } from "../src/policy/agent.ts";
import { decidingAgent } from "../src/policy/decider.ts";
import { lambdaPoint } from "../src/policy/lambda-calibration.ts";
import { learnOnTable } from "../src/policy/learn.ts";
import { permutation, seededRandom } from "../src/random.ts";
import { createNodeRuntime } from "../src/runtime/node.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "models/cifar10" },
    pictures: { type: "string", default: "276" },
    draws: { type: "string", default: "20" },
  },
});
const runtime = createNodeRuntime({ threads: 1 });
const { policy } = await loadModel(flags.model);
if (!policy?.validation) throw new Error(`${flags.model}: a model with a policy and its validation table expected`);
const { costs, validation: table } = policy;
const results = new Map(REWARDS.map((rewards) => [rewards, { lost: [] as number[], saved: [] as number[] }]));
for (let seed = 0; seed < Number(flags.draws); seed++) {
  const order = permutation(seededRandom(seed, 0xfe3), table.count);
  const some = tableSubset(table, Uint32Array.from(order.slice(0, Number(flags.pictures))).sort());
  const rest = tableSubset(table, Uint32Array.from(order.slice(Number(flags.pictures))).sort());
  for (const [rewards, { lost, saved }] of results) {
    const options = { rewards, seed };
    const learned = await learnOnTable({ runtime, table: some, costs, costUnit: "MACs", splitSeed: seed, options });
    const deciding = decidingAgent(learned);
    const answers = answersOf(rest, deciding);
    const chosen = await decide(runtime, deciding, answers, costs, learned.lambda);
    const { accuracy, savings } = lambdaPoint(learned.lambda, chosen, correctAnswers(answers), costs);
    lost.push(100 * (exitAccuracies(answers).at(-1)! - accuracy));
    saved.push(100 * savings);
    console.error(
      `draw ${seed + 1}, ${rewards}: ${learned.decider}, lambda ${learned.lambda.toFixed(4)}, ${lost.at(-1)!.toFixed(2)} lost`,
    );
  }
}
for (const [rewards, { lost, saved }] of results) {
  const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
  const over = lost.filter((one) => one > 1).length;
  console.log(
    `${rewards}, ${flags.pictures} pictures, ${lost.length} draws: ${mean(lost).toFixed(2)} points lost (at most ${Math.max(...lost).toFixed(2)}; ` +
      `${over} draws more than 1), ${mean(saved).toFixed(1)}% saved`,
  );
}
