import { cost, percent } from "../../panels/text.ts";
import type { ModelFacts, Times } from "../protocol.ts";
import type { TriedImage } from "./images.ts";
import { timesText } from "./times.ts";
import type { Answer } from "./use-answers.ts";

interface ResultLineProps {
  readonly facts: ModelFacts;
  readonly image: TriedImage | null;
  /** null also while the picture is on its way */
  readonly answer: Answer | null;
  readonly times: Times | null;
  /** A class is named only where the answer is sure enough. */
  readonly isPrecise: boolean;
}

/** The answer, where it was found, why there, and what it cost. */
export function ResultLine({ facts, image, answer, times, isPrecise }: ResultLineProps) {
  const { costs, classes } = facts;
  return (
    <div class="result">
      <p class="answer" aria-live="polite">
        {image && answer ? (
          <Said image={image} answer={answer} fullMacs={costs.fullMacs} exits={costs.exitMacs.length} />
        ) : image ? (
          "On its way..."
        ) : (
          "Choose a picture to see where it stops."
        )}
      </p>
      {image && answer && <p class="why">{sentence(answer.reason)}</p>}
      {image && answer && <p class="note times">{times ? timesText(times) : "Measuring the full network beside..."}</p>}
      <details class="note">
        <summary>
          The answer is {isPrecise ? '"unsure" or' : "always"} one of the model's {classes.length} classes, whatever the
          picture shows.
        </summary>
        {classes.join(", ")}
      </details>
    </div>
  );
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

interface SaidProps {
  readonly image: TriedImage;
  readonly answer: Answer;
  readonly fullMacs: number;
  readonly exits: number;
}

function Said({ image, answer, fullMacs, exits }: SaidProps) {
  const { label, confidence, exit, costMacs, unsure } = answer;
  const saved = 1 - costMacs / fullMacs;
  const compared =
    saved >= 0 ? `${percent(saved)} of the full network saved` : `${percent(-saved)} more than the full network`;
  return (
    <>
      {unsure && (
        <>
          <strong>unsure</strong>, maybe{" "}
        </>
      )}
      <strong>{label}</strong> ({percent(confidence)}), exit <strong>{exit}</strong> of {exits},{" "}
      {cost(costMacs, "MACs")}: {compared}.
      {image.truth !== null && ` It is a ${image.truth}${unsure || image.truth === label ? "" : ": wrong"}.`}
    </>
  );
}
