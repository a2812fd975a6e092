import type { Classification } from "earlyexit/web";
import { useEffect, useRef, useState } from "preact/hooks";
import { Closed, type WorkerClient } from "../client.ts";
import type { TriedImage } from "./images.ts";

export interface Answer extends Classification {
  /** The dial when it was given. */
  readonly lambda: number;
  /** It was computed alone, so its latency is its own. */
  readonly alone: boolean;
}

export type Answers = ReadonlyMap<number, Answer>;

interface Wanted {
  /** The same at every call. */
  readonly client: WorkerClient;
  readonly images: readonly TriedImage[];
  readonly selected: TriedImage | null;
  readonly lambda: number;
}

/** Images that are computed together: few enough for the dial to be answered soon. */
const CHUNK = 32;

/**
 * What the model says of every image at this lambda, by the images' ids. While the dial turns, older answers stay until newer
 * ones take their place; the selected image comes first.
 */
export function useAnswers(wanted: Wanted, onTrouble: (problem: unknown) => void): Answers {
  const [answers, setAnswers] = useState<Answers>(new Map());
  const state = useRef({ wanted, answers, isWorking: false });
  state.current.wanted = wanted;
  const { client, images, selected, lambda } = wanted;

  useEffect(() => {
    const { current } = state;
    const keep = (next: Answers): void => {
      current.answers = next;
      setAnswers(next);
    };
    const work = async (): Promise<void> => {
      for (let task = nextTask(current); task; task = nextTask(current)) {
        const { chosen, dial } = task;
        const results = await client.classify(
          chosen.map(({ pixels }) => pixels),
          dial,
        );
        const alone = chosen.length === 1;
        const given = chosen.map(({ id }, i) => [id, { ...results[i]!, lambda: dial, alone }] as const);
        keep(new Map([...current.answers, ...given]));
      }
    };
    if (current.isWorking) return;
    current.isWorking = true;
    work()
      .catch((problem: unknown) => {
        if (!(problem instanceof Closed)) onTrouble(problem);
      })
      .finally(() => {
        current.isWorking = false;
      });
  }, [client, images, selected, lambda]);

  return answers;
}

/** null where every image has its answer */
function nextTask({ wanted, answers }: { wanted: Wanted; answers: Answers }) {
  const { images, selected, lambda: dial } = wanted;
  const isCurrent = ({ id }: TriedImage): boolean => answers.get(id)?.lambda === dial;
  if (selected && !(isCurrent(selected) && answers.get(selected.id)!.alone)) return { chosen: [selected], dial };
  const chosen = images.filter((image) => !isCurrent(image)).slice(0, CHUNK);
  return chosen.length > 0 ? { chosen, dial } : null;
}
