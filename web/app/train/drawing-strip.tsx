import { Pixels } from "../pixels.tsx";
import type { Drawings } from "./training.ts";

export interface AnsweredDrawings extends Drawings {
  /** [N] indices of classes; null before the first look */
  readonly answers: readonly number[] | null;
}

/** Drawings that it is not trained on, with what it takes them for by now. */
export function DrawingStrip({ drawings }: { readonly drawings: AnsweredDrawings }) {
  const { imageShape, classes, pixels, labels, answers } = drawings;
  const right = answers?.filter((answer, i) => answer === labels[i]).length;
  return (
    <figure class="drawings">
      <figcaption>
        {right === undefined
          ? "Some of the drawings; it learns from others of the same kinds."
          : `Drawings that it has not learned from, and what the last exit takes them for: ${right} of ${labels.length} right.`}
      </figcaption>
      <ul>
        {pixels.map((one, i) => {
          const answer = answers?.[i];
          const isWrong = answer !== undefined && answer !== labels[i];
          return (
            <li key={i} class={isWrong ? "wrong" : undefined}>
              <Pixels pixels={one} shape={imageShape} label={`a ${classes[labels[i]!]}`} />
              <span>{answer === undefined ? "?" : `${classes[answer]}${isWrong ? " (wrong)" : ""}`}</span>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
