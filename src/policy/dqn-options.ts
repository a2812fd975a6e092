import { UserError } from "../errors.ts";
import { REWARDS, type Rewards } from "../exits/episodes.ts";
import type { ExitTable } from "../exits/exit-table.ts";
import type { LambdaRange } from "../exits/lambda-grid.ts";
import type { Weights } from "../network/weights.ts";

/**
 * The options of `trainAgent`; defaults, and why: `DQN_DEFAULTS`, below. "Source" is where an idea comes from; "the paper" is Mnih et
 * al., "Human-level control through deep reinforcement learning" (Nature, 2015). Ours alone, after measuring: where no source stands.
 */
export interface DqnOptions {
  /**
   * Q-networks that learn side by side; the agent's Q-values are their mean, which one network of `members` times the width
   * gives (`meanNetwork`). Source: Anschel et al., "Averaged-DQN" (2017), who average over time; 1: none.
   */
  readonly members: number;
  /**
   * "exitUnits": one hidden layer in which each exit has units of its own, which see its margin and the dial; the price of going on is
   * written in and not learned (`exit-units.ts`). "dense": fully connected layers that see the whole observation. Ours.
   */
  readonly network: "exitUnits" | "dense";
  /** Widths of the hidden layers of each Q-network, with rectifiers; of exit units the one number of those that learn, per exit. */
  readonly hidden: readonly number[];
  /** Q = V + A - mean(A) in place of one output per action; with a dense network only. Source: Wang et al. (2016). */
  readonly dueling: boolean;
  /** The online network chooses the next action, the target network rates it. Source: van Hasselt et al. (2016). */
  readonly double: boolean;
  /**
   * Lambdas drawn log-uniformly, in units of one correct answer, above 0; `from` = `to` learns for one lambda only. Every transition is
   * given another one when it is replayed. Source: Andrychowicz et al., "Hindsight Experience Replay" (2017), who do so with goals.
   */
  readonly lambdaRange: LambdaRange;
  /**
   * "sampled": only the outcome of the action taken is learned from, as in any reinforcement learning.
   * "allActions": the outcome of both actions is learned from at every replayed state. Frozen logits make it known.
   */
  readonly updates: "sampled" | "allActions";
  /** What leaving brings, see `Rewards`. "expected" where there are few images (`learnOnTable`); with "answers" rewards are as in the paper. */
  readonly rewards: Rewards;
  /**
   * Steps that a replayed episode is played on before the target network's estimate takes over; 1: the paper's. The environment is a
   * table, so that what follows is known and need not have been acted. Source: Hessel et al., "Rainbow" (2018), multi-step learning;
   * here the network of today chooses on the way, so that no old action is learned from.
   */
  readonly returnSteps: number;
  /** Transitions held in the replay, the oldest leave first. Source: the paper (a million). */
  readonly replaySize: number;
  /** Transitions per gradient step, drawn uniformly. Source: the paper (32). */
  readonly batch: number;
  /** Gradient steps. */
  readonly steps: number;
  /** Of AdamW, at the first step; it falls linearly to 0 at the last. Source: Loshchilov and Hutter (2019); the paper used RMSProp. */
  readonly learningRate: number;
  /** AdamW's weight decay per unit of learning rate, on weights and not on biases. The paper had none. */
  readonly decay: number;
  /**
   * TD errors beyond this count linearly, not squared. The paper's "error clipping" is 1; see Huber (1964). Keep it at 1 or
   * more: answers are 0 or 1, and below 1 a Q-value is drawn from their mean towards their median.
   */
  readonly huberDelta: number;
  /**
   * How the target network follows. "copy": a hard copy every so many gradient steps (the paper).
   * "polyak": target += tau * (online - target) at every step, Lillicrap et al. (2016).
   */
  readonly target:
    | { readonly kind: "copy"; readonly every: number }
    | { readonly kind: "polyak"; readonly tau: number };
  /** Share of random actions while acting: from `start` linearly to `end` over this `fraction` of the steps (the paper: 1 to 0.1). Deciding has none. */
  readonly epsilon: { readonly start: number; readonly end: number; readonly fraction: number };
  /** Transitions taken at random before the first gradient step. Source: the paper (50,000). */
  readonly warmup: number;
  /** Images that are acted upon side by side: one run of the network decides for all. The paper had one. */
  readonly parallelEpisodes: number;
  /** Gradient steps (the paper: a quarter of one) between two rounds of acting, each of which moves every parallel episode by one action. */
  readonly actEvery: number;
  /**
   * The weights that are selected from and returned are a moving average: average = k * average + (1 - k) * online at every
   * step; 0 returns the online network itself. Polyak and Juditsky (1992).
   */
  readonly averaging: number;
  /** Gradient steps between two looks at the selection half; the weights with the highest mean return are kept. */
  readonly selectEvery: number;
  /** Lambdas of the grid over which that mean return is taken, in equal ratios over `lambdaRange`. */
  readonly selectionLambdas: number;
  /** Decides initial weights, acting and sampling: same seed, same bytes. */
  readonly seed: number;
  /** Weights to go on from, of a Q-network of the same shape; default: fresh ones. */
  readonly start?: Weights;
  /** Called after each look at the selection half. */
  readonly onProgress?: (progress: DqnProgress) => void;
  /** Ends learning with the signal's reason as the error. */
  readonly signal?: AbortSignal;
}

export interface DqnProgress {
  /** gradient steps done */
  readonly step: number;
  readonly steps: number;
  readonly epsilon: number;
  /** mean Huber loss since the last look, in units of one correct answer, squared below `huberDelta` */
  readonly loss: number;
  /** mean over the selection lambdas of accuracy - lambda * mean cost share */
  readonly return: number;
  /** highest `return` so far, this one included: best - return is the gap to the weights that would be returned now */
  readonly best: number;
  /** what optimal stopping reaches on the same images and lambdas, where that was worked out: see `optimalReturn` */
  readonly optimal?: number;
  /** [E] mean over the selection lambdas */
  readonly exitShares: readonly number[];
}

/** Hidden layers; a file that claims more is damaged. */
export const MOST_HIDDEN = 16;

/**
 * Chosen on held-out validation images of eight networks, against tuned thresholds: see "An agent as sure as its thresholds" in
 * docs/experiments/agent.md. What an episode really brought is learned from, as far as it goes: with one step an agent that sees one
 * margin is 0.0005 worse. Without estimates on the way there is nothing for a double network to correct.
 */
export const DQN_DEFAULTS: DqnOptions = {
  members: 1,
  network: "exitUnits",
  hidden: [16],
  dueling: false,
  double: false,
  lambdaRange: { from: 0.0005, to: 1 },
  updates: "allActions",
  rewards: "answers",
  returnSteps: 3,
  replaySize: 20_000,
  batch: 256,
  steps: 1500,
  learningRate: 3e-3,
  decay: 0.3,
  huberDelta: 1,
  target: { kind: "polyak", tau: 0.01 },
  epsilon: { start: 1, end: 0.3, fraction: 0.5 },
  warmup: 2000,
  parallelEpisodes: 256,
  actEvery: 8,
  averaging: 0.99,
  selectEvery: 250,
  selectionLambdas: 9,
  seed: 0,
};

/**
 * Given options over the defaults.
 *
 * @throws {UserError} naming the first option that is out of its range
 */
export function dqnOptions(given: Partial<DqnOptions>): DqnOptions {
  const options = { ...DQN_DEFAULTS, ...given };
  const { lambdaRange, epsilon, target } = options;
  const whole = (value: number): boolean => Number.isInteger(value) && value >= 1;
  const share = (value: number): boolean => value >= 0 && value <= 1;
  const checks: [string, boolean, string, unknown][] = [
    ["rewards", REWARDS.includes(options.rewards), REWARDS.join(" or "), options.rewards],
    [
      "hidden",
      options.hidden.length <= MOST_HIDDEN && options.hidden.every(whole),
      `at most ${MOST_HIDDEN} whole numbers of at least 1`,
      options.hidden,
    ],
    [
      "network",
      options.network === "dense" || (options.hidden.length === 1 && !options.dueling),
      "one hidden width and no duel with exitUnits",
      { hidden: options.hidden, dueling: options.dueling },
    ],
    [
      "lambdaRange",
      lambdaRange.from > 0 && lambdaRange.to >= lambdaRange.from && lambdaRange.to < Infinity,
      "0 < from <= to",
      lambdaRange,
    ],
    ...(
      [
        "members",
        "returnSteps",
        "replaySize",
        "batch",
        "steps",
        "parallelEpisodes",
        "actEvery",
        "selectEvery",
        "selectionLambdas",
        "warmup",
      ] as const
    ).map((name): [string, boolean, string, unknown] => [
      name,
      whole(options[name]),
      "a whole number of at least 1",
      options[name],
    ]),
    [
      "learningRate",
      options.learningRate > 0 && options.learningRate < Infinity,
      "a number above 0",
      options.learningRate,
    ],
    ["decay", options.decay >= 0 && options.decay < Infinity, "a number of at least 0", options.decay],
    ["huberDelta", options.huberDelta > 0, "a number above 0", options.huberDelta],
    [
      "epsilon",
      share(epsilon.start) && share(epsilon.end) && share(epsilon.fraction),
      "start, end and fraction in 0..1",
      epsilon,
    ],
    [
      "target",
      target.kind === "copy" ? whole(target.every) : target.tau > 0 && target.tau <= 1,
      "every of at least 1, or tau in (0, 1]",
      target,
    ],
    ["averaging", options.averaging >= 0 && options.averaging < 1, "a number in [0, 1)", options.averaging],
  ];
  for (const [name, holds, expected, found] of checks)
    if (!holds)
      throw new UserError(`dqn: ${name}: ${expected} expected, found ${JSON.stringify(found)}; change the option`);
  return options;
}

/** @throws {RangeError} unless both tables hold images of the same exits and classes */
export function checkTables(fit: ExitTable, selection: ExitTable): void {
  if (fit.count === 0 || selection.count === 0 || fit.exits !== selection.exits || fit.classes !== selection.classes)
    throw new RangeError(
      `trainAgent: two tables of at least 1 image, equal exits and equal classes expected, ` +
        `found [${fit.count}, ${fit.exits}, ${fit.classes}] and [${selection.count}, ${selection.exits}, ${selection.classes}]`,
    );
}
