import { useState } from "preact/hooks";
import { Closed } from "../client.ts";
import { save } from "../download.ts";
import type { ModelFacts } from "../protocol.ts";
import type { LoadedModel } from "../use-model.ts";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

export interface CollectedFeedback {
  /** Indices of classes, by the images' ids. */
  readonly labels: ReadonlyMap<number, number>;
  say(image: TriedImage, label: number): void;
  download(): Promise<void>;
}

/** What the user says of answers; gone with the page unless it is downloaded. */
export function useFeedback(
  { client }: LoadedModel,
  images: readonly TriedImage[],
  tell: (problem: unknown) => void,
): CollectedFeedback {
  const [labels, setLabels] = useState<ReadonlyMap<number, number>>(new Map());
  const labelled = images.filter(({ id }) => labels.has(id));
  return {
    labels: new Map(labelled.map(({ id }) => [id, labels.get(id)!])),
    say: ({ id }, label) => setLabels((before) => new Map([...before, [id, label]])),
    async download() {
      try {
        const pixels = labelled.map((one) => one.pixels);
        const given = labelled.map(({ id }) => labels.get(id)!);
        save("feedback.safetensors", await client.feedback(pixels, given), "application/octet-stream");
      } catch (problem) {
        if (!(problem instanceof Closed)) tell(problem);
      }
    },
  };
}

interface FeedbackProps {
  readonly facts: ModelFacts;
  readonly image: TriedImage;
  readonly answer: Answer;
  readonly feedback: CollectedFeedback;
}

/** Right, or wrong: it is something else. */
export function Feedback({ facts, image, answer, feedback }: FeedbackProps) {
  const said = feedback.labels.get(image.id);
  const isWrong = said !== undefined && said !== answer.classIndex;
  const count = feedback.labels.size;
  return (
    <div class="feedback">
      <button
        type="button"
        aria-pressed={said === answer.classIndex}
        onClick={() => feedback.say(image, answer.classIndex)}
      >
        Right
      </button>
      <label>
        Wrong: it is a{" "}
        <select
          value={isWrong ? said : ""}
          onChange={(event) => {
            if (event.currentTarget.value !== "") feedback.say(image, Number(event.currentTarget.value));
          }}
        >
          <option value="">...</option>
          {facts.classes.map((name, index) =>
            index === answer.classIndex ? null : (
              <option key={name} value={index}>
                {name}
              </option>
            ),
          )}
        </select>
      </label>
      {count > 0 && (
        <>
          <button type="button" onClick={feedback.download}>
            Download feedback ({count})
          </button>
          <details class="note">
            <summary>What for</summary>
            <code>earlyexit learn --model DIR --continue --feedback feedback.safetensors</code> makes the agent better
            with 200 labels or more. The file holds what the exits say and your labels, and no picture.
          </details>
        </>
      )}
    </div>
  );
}
