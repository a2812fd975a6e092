import { useEffect, useState } from "preact/hooks";
import { cost } from "../../panels/text.ts";
import { Pixels } from "../pixels.tsx";
import type { ModelFacts } from "../protocol.ts";
import { ExitCard } from "./exit-card.tsx";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

interface RoadProps {
  readonly facts: ModelFacts;
  readonly image: TriedImage | null;
  readonly answer: Answer | null;
}

/** The network as a road with an off-ramp at every exit; the image goes as far as it was computed. */
export function Road({ facts, image, answer }: RoadProps) {
  const exits = facts.costs.exitMacs;
  const shown = useJourney(image, answer);
  const isThere = answer !== null && shown === answer.trace.length;
  return (
    <ol class="road" style={{ "--exits": exits.length }} aria-label="The stages of the network and their exits">
      {exits.map((macs, exit) => {
        const trace = exit < shown ? (answer?.trace[exit] ?? null) : null;
        const isHere = image !== null && exit === Math.max(0, shown - 1);
        const isTaken = isThere && answer.exit === exit + 1;
        const state = isTaken ? "taken" : trace ? "computed" : isThere ? "spared" : "ahead";
        return (
          <li key={exit} class={state}>
            <div class="lane">
              <span class="stage">stage {exit + 1}</span>
              {isHere && (
                <span class="traveller" key={image.id}>
                  <Pixels
                    pixels={image.pixels}
                    shape={facts.imageShape}
                    label={`${image.name}, as the network sees it`}
                  />
                </span>
              )}
            </div>
            <div class="ramp" aria-hidden="true" />
            <ExitCard
              exit={exit + 1}
              costText={cost(macs, "MACs")}
              classes={facts.classes}
              trace={trace}
              state={state}
            />
          </li>
        );
      })}
    </ol>
  );
}

const STEP_MS = 450;

/**
 * How many stages are shown as computed. A stage takes about a millisecond: a newly chosen image is slowed down so that one can
 * follow it. What the dial changes is shown at once.
 */
function useJourney(image: TriedImage | null, answer: Answer | null): number {
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
