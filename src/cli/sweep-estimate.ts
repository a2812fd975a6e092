/** How long a sweep will take, measured before it is begun. */
import type { Dataset } from "../dataset/dataset.ts";
import { integer, normal, seededRandom } from "../random.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import { learnFromTable, trainNetwork } from "../story/node.ts";
import { loadTeacher } from "../story/teachers.ts";
import { prepareTraining } from "./prepare.ts";
import type { Progress } from "./progress.ts";
import type { PlannedRun } from "./sweep-plan.ts";

/** Steps that are timed: the first ones also make the session. */
const FIRST = 2;
const STEPS = 12;
/** Fewer, if so many seconds are over. */
const ENOUGH_SECONDS = 5;

export interface RunSeconds {
  readonly trainingSeconds: number;
  /** Of the exit policy, figures aside. */
  readonly learningSeconds: number;
}

interface Hooks {
  readonly threads?: number | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Seconds that a run takes on this machine, as it is now: training from some of its first steps, learning from a whole one on numbers
 * drawn at random, as many as the run will have. Nothing is left behind.
 *
 * @param known what was measured for other runs; what learning takes depends on how many numbers there are alone
 */
export async function runSeconds(
  { input }: PlannedRun,
  known: Map<string, number>,
  { threads, progress, signal }: Hooks,
): Promise<RunSeconds> {
  const {
    data,
    dataset,
    size = null,
    labels = null,
    skipBroken = false,
    balance = false,
    seed = 1,
    ...others
  } = input.config;
  const asked = { ...others, data: data ?? dataset ?? "shapes", size, labels, skipBroken, balance, seed };
  const prepared = await prepareTraining(asked, { cores: threads, isLearning: true, progress, signal });
  const runtime = createNodeRuntime(threads ? { threads } : {});
  const { teacher, blueprint } = prepared.config;
  const shape = { exits: blueprint.stages.length, classes: prepared.data.classes.length };
  const key = JSON.stringify([shape, prepared.data.validation?.count]);
  const learningSeconds = known.get(key) ?? (await secondsOfLearning(prepared.data, shape, { threads, signal }));
  known.set(key, learningSeconds);
  const stopped = new AbortController();
  const started = performance.now();
  let first: { at: number; step: number } | null = null;
  let seconds = 0;
  try {
    await trainNetwork({
      data: prepared.data,
      blueprint: prepared.config.blueprint,
      recipe: prepared.config.recipe,
      seed,
      ...(prepared.from ? { from: prepared.from } : {}),
      ...(teacher ? { teacher: await loadTeacher(teacher, runtime) } : {}),
      runtime,
      signal: AbortSignal.any([signal, stopped.signal]),
      onProgress({ step, steps }) {
        const now = performance.now();
        if (step === FIRST) first = { at: now, step };
        else if (first) seconds = (((now - first.at) / 1000) * steps) / (step - first.step);
        if (step >= STEPS || (now - started > 1000 * ENOUGH_SECONDS && seconds > 0)) stopped.abort();
      },
    });
  } catch (error) {
    if (!stopped.signal.aborted) throw error;
  }
  const trainingSeconds = seconds > 0 ? seconds : (performance.now() - started) / 1000; // so short that it was done to its end
  return { trainingSeconds, learningSeconds };
}

async function secondsOfLearning(
  { validation }: Dataset,
  { exits, classes }: { readonly exits: number; readonly classes: number },
  { threads, signal }: Omit<Hooks, "progress">,
): Promise<number> {
  const count = validation?.count ?? 0;
  const random = seededRandom(1);
  const labels = Uint16Array.from({ length: count }, () => integer(random, 0, classes - 1));
  const logits = new Float32Array(count * exits * classes);
  for (let i = 0; i < count; i++)
    for (let exit = 0; exit < exits; exit++)
      for (let k = 0; k < classes; k++)
        // the later the exit, the more often it is right
        logits[(i * exits + exit) * classes + k] = normal(random) + (k === labels[i] ? 2 + exit : 0);
  const exitMacs = Array.from({ length: exits }, (_, exit) => 1e6 * (exit + 1));
  const started = performance.now();
  await learnFromTable({
    table: { logits, labels, count, exits, classes },
    costs: { exitMacs, fullMacs: 1e6 * exits },
    costUnit: "MACs",
    splitSeed: 1,
    runtime: createNodeRuntime(threads ? { threads } : {}),
    signal,
  });
  return (performance.now() - started) / 1000;
}
