import { cost, percent } from "../../panels/text.ts";
import type { ModelFacts } from "../protocol.ts";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

interface ResultLineProps {
  readonly facts: ModelFacts;
  readonly image: TriedImage | null;
  readonly answer: Answer | null;
}

/** The answer, where it was found, and what it cost. */
export function ResultLine({ facts, image, answer }: ResultLineProps) {
  const { costs, classes } = facts;
  const known = `The answer is always one of the model's ${classes.length} classes, whatever the picture shows: ${classes.join(", ")}.`;
  return (
    <div class="result">
      <p class="answer" aria-live="polite">
        {image && answer ? (
          <Said image={image} answer={answer} fullMacs={costs.fullMacs} exits={costs.exitMacs.length} />
        ) : (
          "Choose a picture to see where it stops."
        )}
      </p>
      {image && answer && <p class="note">Why: {answer.reason}.</p>}
      <p class="note">{known}</p>
    </div>
  );
}

interface SaidProps {
  readonly image: TriedImage;
  readonly answer: Answer;
  readonly fullMacs: number;
  readonly exits: number;
}

function Said({ image, answer, fullMacs, exits }: SaidProps) {
  const { label, confidence, exit, latencyMs, alone, costMacs } = answer;
  const saved = 1 - costMacs / fullMacs;
  const compared =
    saved >= 0 ? `${percent(saved)} of the full network saved` : `${percent(-saved)} more than the full network`;
  return (
    <>
      <strong>{label}</strong> ({percent(confidence)}), exit <strong>{exit}</strong> of {exits}
      {alone && `, ${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`}, {cost(costMacs, "MACs")}: {compared}.
      {image.truth !== null && ` It is a ${image.truth}${image.truth === label ? "" : ": wrong"}.`}
    </>
  );
}
