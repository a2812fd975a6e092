import { percent } from "../../panels/text.ts";
import { Pixels } from "../pixels.tsx";
import type { ModelFacts } from "../protocol.ts";
import type { TriedImage } from "./images.ts";
import type { Answer, Answers } from "./use-answers.ts";

interface StripProps {
  readonly facts: ModelFacts;
  readonly images: readonly TriedImage[];
  readonly answers: Answers;
  readonly selectedId: number | null;
  readonly onSelect: (id: number) => void;
}

interface Answered {
  readonly image: TriedImage;
  readonly answer: Answer;
}

/** All images, sorted by the exit that they took: easy to hard. */
export function Strip({ facts, images, answers, selectedId, onSelect }: StripProps) {
  const answered = images.flatMap((image): Answered[] => {
    const answer = answers.get(image.id);
    return answer ? [{ image, answer }] : [];
  });
  if (images.length < 2) return null;
  return (
    <section class="strip" aria-labelledby="strip-title">
      <h3 id="strip-title">Easy to hard: {images.length} pictures by the exit that they took</h3>
      <p class="note">{summaryOf(answered, facts)}</p>
      <div class="exits">
        {facts.costs.exitMacs.map((_, exit) => {
          const here = answered.filter(({ answer }) => answer.exit === exit + 1);
          return (
            <div class="group" key={exit} style={{ "--colour": `var(--ee-exit-${exit + 1})` }}>
              <h4>
                Exit {exit + 1} <small>{here.length}</small>
              </h4>
              <ul>
                {here
                  .sort((a, b) => b.answer.confidence - a.answer.confidence)
                  .map(({ image, answer }) => (
                    <li key={image.id}>
                      <button
                        type="button"
                        aria-pressed={image.id === selectedId}
                        class={image.truth !== null && image.truth !== answer.label ? "wrong" : undefined}
                        onClick={() => onSelect(image.id)}
                      >
                        <Pixels pixels={image.pixels} shape={facts.imageShape} label={image.name} />
                        <span>{answer.label}</span>
                      </button>
                    </li>
                  ))}
              </ul>
            </div>
          );
        })}
      </div>
    </section>
  );
}

function summaryOf(answered: readonly Answered[], { costs }: ModelFacts): string {
  if (answered.length === 0) return "";
  const mean = answered.reduce((sum, { answer }) => sum + answer.costMacs, 0) / answered.length;
  const saved = `Together they save ${percent(1 - mean / costs.fullMacs)} of the full network.`;
  const known = answered.filter(({ image }) => image.truth !== null);
  if (known.length === 0) return saved;
  const right = known.filter(({ image, answer }) => image.truth === answer.label).length;
  if (right === known.length) return `${saved} All answers that can be checked are right.`;
  return `${saved} ${right} of ${known.length} are right; the others have a dashed frame.`;
}
