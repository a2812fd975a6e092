/** How long a sweep will take, measured before it is begun. */
import { createNodeRuntime } from "../runtime/node.ts";
import { trainNetwork } from "../story/node.ts";
import { loadTeacher } from "../story/teachers.ts";
import { prepareTraining } from "./prepare.ts";
import type { Progress } from "./progress.ts";
import type { PlannedRun } from "./sweep-plan.ts";

/** Steps that are timed: the first ones also make the session. */
const FIRST = 2;
const STEPS = 12;
/** Fewer, if so many seconds are over. */
const ENOUGH_SECONDS = 5;

/** Seconds that the training of a run takes on this machine, as it is now: from some of its first steps, which leave nothing behind. */
export async function trainingSeconds(
  { input }: PlannedRun,
  { threads, progress, signal }: { threads?: number | undefined; progress: Progress; signal: AbortSignal },
): Promise<number> {
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
  const { teacher } = prepared.config;
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
  return seconds > 0 ? seconds : (performance.now() - started) / 1000; // so short that it was done to its end
}
