import type { ExitTrace } from "earlyexit/web";
import { percent } from "../../panels/text.ts";
import { Pixels } from "../pixels.tsx";
import type { ModelFacts, Times } from "../protocol.ts";
import type { TriedImage } from "./images.ts";
import { disagreeing } from "./rest-line.tsx";
import { timesText } from "./times.ts";
import type { Answer, Answers } from "./use-answers.ts";
import type { Rest } from "./use-rest.ts";

interface StripProps {
  readonly facts: ModelFacts;
  readonly images: readonly TriedImage[];
  readonly answers: Answers;
  readonly rest: Rest;
  readonly times: Times | null;
  readonly isComputing: boolean;
  readonly selectedId: number | null;
  readonly onSelect: (id: number) => void;
  readonly onExplore: () => void;
}

interface Answered {
  readonly image: TriedImage;
  readonly answer: Answer;
  /** What the last of the later exits that disagree would have said; null: none does, or nobody has asked */
  readonly later: string | null;
}

/** All images, sorted by the exit that they took: easy to hard. */
export function Strip(props: StripProps) {
  const { facts, images, answers, rest, times, isComputing, selectedId, onSelect, onExplore } = props;
  const answered = images.flatMap((image): Answered[] => {
    const answer = answers.get(image.id);
    return answer ? [{ image, answer, later: laterOf(facts, answer, rest.get(image.id)) }] : [];
  });
  if (images.length < 2) return null;
  const isExplored = images.every(({ id }) => rest.has(id));
  return (
    <section class="strip" aria-labelledby="strip-title">
      <h3 id="strip-title">Easy to hard: {images.length} pictures by the exit that they took</h3>
      <p class="note">
        {summaryOf(answered, facts)} {times && timesText(times)}
      </p>
      {isExplored ? (
        <p class="note" role="status">
          {laterSummary(answered)}
        </p>
      ) : (
        <button type="button" disabled={isComputing} onClick={onExplore}>
          What would the later exits have said?
        </button>
      )}
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
                  .map(({ image, answer, later }) => (
                    <li key={image.id}>
                      <button
                        type="button"
                        aria-pressed={image.id === selectedId}
                        class={isWrong(image, answer) ? "wrong" : undefined}
                        onClick={() => onSelect(image.id)}
                      >
                        <Pixels pixels={image.pixels} shape={facts.imageShape} label={image.name} />
                        <span>{answer.unsure ? "unsure" : answer.label}</span>
                        {later !== null && <em>later: {later}</em>}
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

/** A class was named, and it is another one. */
function isWrong({ truth }: TriedImage, { label, unsure }: Answer): boolean {
  return truth !== null && !unsure && truth !== label;
}

function laterOf({ classes }: ModelFacts, answer: Answer, rest: readonly ExitTrace[] | undefined): string | null {
  const last = rest && disagreeing(answer, rest).at(-1);
  return last ? classes[last.classIndex]! : null;
}

function laterSummary(answered: readonly Answered[]): string {
  const others = answered.filter(({ later }) => later !== null);
  if (others.length === 0) return "No later exit would have said anything else.";
  const judged = others.filter(({ image }) => image.truth !== null);
  const mended = judged.filter(({ image, later }) => image.truth === later).length;
  const spoiled = judged.filter(({ image, answer }) => image.truth === answer.label).length;
  const judgement =
    judged.length > 0 ? ` Going on would have mended ${mended} of these answers and spoiled ${spoiled}.` : "";
  return `For ${others.length} of ${answered.length} pictures a later exit says something else ("later: ..").${judgement}`;
}

function summaryOf(answered: readonly Answered[], { costs }: ModelFacts): string {
  if (answered.length === 0) return "";
  const mean = answered.reduce((sum, { answer }) => sum + answer.costMacs, 0) / answered.length;
  const saved = `Together they save ${percent(1 - mean / costs.fullMacs)} of the full network.`;
  const unsure = answered.filter(({ answer }) => answer.unsure).length;
  const said = unsure === 0 ? saved : `${saved} ${unsure} of ${answered.length} are unsure.`;
  const known = answered.filter(({ image, answer }) => image.truth !== null && !answer.unsure);
  if (known.length === 0) return said;
  const wrong = known.filter(({ image, answer }) => isWrong(image, answer)).length;
  if (wrong === 0) return `${said} All answers that can be checked are right.`;
  return `${said} ${known.length - wrong} of ${known.length} are right; the others have a dashed frame.`;
}
