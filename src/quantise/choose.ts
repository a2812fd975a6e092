/** Chooses the range of every map, and the convolutions that stay in float, by what they do to the logits. */
import type { Trial } from "./effects.ts";
import { type Imitation, imitate, logitError } from "./imitation.ts";
import type { Observed } from "./observe.ts";
import type { StagePlan } from "./plan.ts";
import { candidateRanges } from "./ranges.ts";
import { type Range, type Steps, stepsOf } from "./steps.ts";

/** Below these, gelu gives next to nothing: as the lower end of a range they leave more steps for the rest. */
const GELU_ENDS = [-2, -2.5, -3, -4];

/** Points that have the same steps: a max pool's and its input's, a map that is handed on and what takes it. */
interface Group {
  readonly members: readonly (readonly [stage: number, point: number])[];
  /** Of the last one: what a pool does not let through may be clipped before it. */
  readonly observed: Observed;
  readonly before: "Gelu" | "Relu" | null;
}

export interface Search extends Trial {
  /** By stage and point. */
  readonly observed: readonly (readonly Observed[])[];
  /** By stage: convolutions that stay in float. */
  readonly kept: readonly (readonly number[])[];
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * One pass over the maps in the order of the network: each gets the range that brings the logits nearest, the others as they are at
 * that time. They begin with all of their values, those before a gelu from -3.
 *
 * @returns steps by stage and point, and the error that is left
 */
export async function chooseSteps(search: Search): Promise<{ steps: Steps[][]; error: number }> {
  const { runtime, plans, observed, kept, largestWeight, batches, onProgress } = search;
  const groups = groupsOf(plans, observed);
  const steps: Steps[][] = plans.map(({ points }) => points.map(() => ({ scale: 1, zero: 0 })));
  const set = ({ members }: Group, range: Range): void => {
    for (const [k, i] of members) steps[k]![i] = stepsOf(range);
  };
  for (const group of groups) set(group, startOf(group));
  const imitation = await imitate(runtime, plans, kept, largestWeight);
  try {
    let error = await errorOf(imitation, steps, search);
    for (const [i, group] of groups.entries()) {
      let best = startOf(group);
      for (const ranges of [rangesOf(group), lowerEnds]) {
        for (const range of typeof ranges === "function" ? ranges(group, best) : ranges) {
          set(group, range);
          const there = await errorOf(imitation, steps, search);
          if (there < error) [best, error] = [range, there];
        }
        set(group, best);
      }
      onProgress?.(i + 1, groups.length);
    }
    return { steps, error };
  } finally {
    await imitation.close();
  }

  function lowerEnds({ before, observed: { min } }: Group, { max }: Range): Range[] {
    return before === "Gelu" ? [min, ...GELU_ENDS.filter((end) => end > min)].map((end) => ({ min: end, max })) : [];
  }
  async function errorOf(
    one: Imitation,
    all: readonly (readonly Steps[])[],
    { expected, classes }: Search,
  ): Promise<number> {
    return logitError(await one.logits(all, batches), expected, plans.length, classes);
  }
}

function startOf(group: Group): Range {
  return rangesOf(group)[0]!;
}

function rangesOf({ observed, before }: Group): Range[] {
  const least = before === "Relu" ? 0 : before === "Gelu" ? -3 : -Infinity;
  return candidateRanges(observed).map(({ min, max }) => ({ min: Math.max(min, least), max }));
}

function groupsOf(plans: readonly StagePlan[], observed: readonly (readonly Observed[])[]): Group[] {
  const groups: { members: [number, number][]; observed: Observed; before: Group["before"] }[] = [];
  const groupOf: (typeof groups)[number][][] = plans.map(() => []);
  for (const [k, { points, from }] of plans.entries())
    for (const [i, { sharesWith, before, tensor }] of points.entries()) {
      const isGiven = k > 0 && from.some(({ source }) => source === tensor.source);
      const known = sharesWith !== null ? groupOf[k]![sharesWith] : isGiven ? givenBy(k, i) : undefined;
      const group = known ?? { members: [], observed: observed[k]![i]!, before };
      if (!known) groups.push(group);
      if (sharesWith !== null) group.observed = observed[k]![i]!;
      group.members.push([k, i]);
      groupOf[k]![i] = group;
    }
  return groups;

  /** The group of the map of the stage before that this point is. */
  function givenBy(stage: number, point: number) {
    const { from, points } = plans[stage]!;
    const place = from.findIndex(({ source }) => source === points[point]!.tensor.source);
    const { built, points: before } = plans[stage - 1]!;
    const index = before.findIndex(({ tensor }) => tensor.source === built.handsOn[place]!.source);
    return groupOf[stage - 1]![index];
  }
}
