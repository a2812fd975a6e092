import { answersOf } from "../../src/exits/answers.ts";
import type { ExitCosts, ExitTable } from "../../src/exits/exit-table.ts";

/**
 * Four images, three exits, two classes: what each exit answers and how sure it is (at temperatures 1, 2, 1).
 *
 *     image  label  exit 1    exit 2    exit 3     taken
 *     0      cat    cat 0.9   cat 0.9   cat 0.9    exit 1, right
 *     1      cat    dog 0.6   cat 0.8   cat 0.9    exit 2, right
 *     2      dog    dog 0.8   dog 0.8   dog 0.9    exit 1, right
 *     3      dog    cat 0.6   cat 0.6   dog 0.75   exit 2, wrong
 */
const CAT = 0;
const DOG = 1;
const ANSWERS: readonly (readonly (readonly [answer: number, confidence: number])[])[] = [
  [
    [CAT, 0.9],
    [CAT, 0.9],
    [CAT, 0.9],
  ],
  [
    [DOG, 0.6],
    [CAT, 0.8],
    [CAT, 0.9],
  ],
  [
    [DOG, 0.8],
    [DOG, 0.8],
    [DOG, 0.9],
  ],
  [
    [CAT, 0.6],
    [CAT, 0.6],
    [DOG, 0.75],
  ],
];

const TEMPERATURES = [1, 2, 1];
export const RULE = { temperatures: TEMPERATURES, priorWeights: [0, 0, 0] };
export const TABLE: ExitTable = {
  // softmax([log(p / (1 - p)), 0]) = [p, 1 - p]
  logits: Float32Array.from(
    ANSWERS.flatMap((exits) =>
      exits.flatMap(([answer, p], exit) => {
        const logit = TEMPERATURES[exit]! * Math.log(p / (1 - p));
        return answer === CAT ? [logit, 0] : [0, logit];
      }),
    ),
  ),
  labels: Uint16Array.of(CAT, CAT, DOG, DOG),
  count: 4,
  exits: 3,
  classes: 2,
};
export const ANSWERED = answersOf(TABLE, RULE);
export const TAKEN = Uint8Array.of(0, 1, 0, 1);
/** The full network has no heads on the way, so it costs less than the last exit. */
export const COSTS: ExitCosts = { exitMacs: [10, 30, 60], fullMacs: 50 };
