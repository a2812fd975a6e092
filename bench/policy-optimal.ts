/** What optimal stopping is worth: how much there is to regain. */
import { answersOf, fitAnswers } from "../src/exits/answers.ts";
import { correctAnswers } from "../src/exits/environment.ts";
import type { ExitTable } from "../src/exits/exit-table.ts";
import { costShares } from "../src/exits/observation.ts";
import type { LearnedPolicy } from "../src/policy/learned-policy.ts";
import type { Runtime } from "../src/runtime/runtime.ts";
import { prepareYardsticks } from "../src/yardsticks/yardstick.ts";
import { optimalStopping } from "../src/yardsticks/yardsticks.ts";

/** [N] what optimal stopping, solved on `fit`, is worth on each image, averaged over the lambdas. */
export async function optimalReturns(
  runtime: Runtime,
  { costs }: LearnedPolicy,
  fit: ExitTable,
  test: ExitTable,
  lambdas: readonly number[],
): Promise<Float64Array> {
  const rule = fitAnswers(fit);
  const problem = await prepareYardsticks(runtime, answersOf(fit, rule), costs);
  const answers = answersOf(test, rule);
  const correct = correctAnswers(answers);
  const shares = costShares(costs);
  const returns = new Float64Array(test.count);
  for (const lambda of lambdas) {
    const exits = await optimalStopping(problem, lambda).decide(answers);
    for (const [i, exit] of exits.entries())
      returns[i]! += (correct[i * test.exits + exit]! - lambda * shares[exit]!) / lambdas.length;
  }
  return returns;
}
