/** The exported policy against the one that it came from, on the same exit table. */
import { answersOf } from "../exits/answers.ts";
import { decide } from "../policy/agent.ts";
import { decidingAgent } from "../policy/decider.ts";
import { type LearnedPolicy, validationOf } from "../policy/learned-policy.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Share of the decisions that may differ, each of them at a near tie. */
const DIFFERENT_SHARE = 0.001;

export interface PolicyCheck {
  readonly images: number;
  /** [E] how many leave at each exit */
  readonly exits: readonly number[];
  readonly different: number;
}

/**
 * @param bytes of `policy.onnx`
 * @throws {Error} if more than one decision in 1,000 differs
 */
export async function checkPolicyFile(
  runtime: Runtime,
  policy: LearnedPolicy,
  bytes: Uint8Array,
  lambda: number,
): Promise<PolicyCheck> {
  const { logits, count, exits, classes } = validationOf(policy);
  const agent = decidingAgent(policy);
  const expected = await decide(runtime, agent, answersOf(validationOf(policy), agent), policy.costs, lambda);
  const session = await runtime.createSession(bytes);
  try {
    const feeds = {
      logits: runtime.tensor(logits, [count, exits, classes]),
      lambda: runtime.tensor(Float32Array.of(lambda), []),
    };
    const leaves = (await session.run(feeds)).exit_now!.data as Float32Array;
    const taken = Uint8Array.from({ length: count }, (_, i) => leaves.subarray(i * exits, (i + 1) * exits).indexOf(1));
    const different = taken.filter((exit, i) => exit !== expected[i]).length;
    if (different > DIFFERENT_SHARE * count)
      throw new Error(
        `export: at most ${DIFFERENT_SHARE * count} other decisions of ${count} expected, found ${different}`,
      );
    return {
      images: count,
      exits: Array.from({ length: exits }, (_, k) => taken.filter((one) => one === k).length),
      different,
    };
  } finally {
    await session.release();
  }
}
