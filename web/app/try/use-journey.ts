import { useEffect, useState } from "preact/hooks";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

const STEP_MS = 450;

/**
 * How many stages are shown as computed. A stage takes about a millisecond: a newly chosen image is slowed down so that one can
 * follow it. What the dial changes is shown at once.
 */
export function useJourney(image: TriedImage | null, answer: Answer | null): number {
  const [journey, setJourney] = useState({ id: -1, shown: 0 });
  const id = image?.id ?? -1;
  const length = answer?.trace.length ?? 0;
  const shown = journey.id === id ? journey.shown : 0;
  useEffect(() => {
    if (length === 0) return;
    const isSlow = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    const isDone = journey.id === id && journey.shown === Number.POSITIVE_INFINITY;
    if (!isSlow || shown >= length) {
      if (!isDone) setJourney({ id, shown: Number.POSITIVE_INFINITY });
      return;
    }
    const timer = setTimeout(() => setJourney({ id, shown: shown + 1 }), shown === 0 ? 60 : STEP_MS);
    return () => clearTimeout(timer);
  }, [id, length, shown, journey]);
  return Math.min(shown, length);
}
