import type { ExitTrace } from "earlyexit/web";
import { percent } from "../../panels/text.ts";
import type { ModelFacts } from "../protocol.ts";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

interface RestLineProps {
  readonly facts: ModelFacts;
  readonly image: TriedImage;
  readonly answer: Answer;
  /** null: nobody has asked */
  readonly rest: readonly ExitTrace[] | null;
  readonly isComputing: boolean;
  readonly onExplore: () => void;
}

/** And if it had gone on? One click computes the rest. */
export function RestLine({ facts, image, answer, rest, isComputing, onExplore }: RestLineProps) {
  if (answer.exit === facts.costs.exitMacs.length) return null;
  return (
    <div class="rest">
      {rest ? (
        <p role="status">{restText(facts, image, answer, rest)}</p>
      ) : (
        <button type="button" disabled={isComputing} onClick={onExplore}>
          And if it had gone on?
        </button>
      )}
    </div>
  );
}

/** The exits behind the one taken whose answer is another one. */
export function disagreeing(answer: Answer, rest: readonly ExitTrace[]): ExitTrace[] {
  return rest.slice(answer.exit).filter(({ classIndex }) => classIndex !== answer.classIndex);
}

function restText(
  { costs, classes }: ModelFacts,
  { truth }: TriedImage,
  answer: Answer,
  rest: readonly ExitTrace[],
): string {
  const times = (exit: number): string => `${(costs.exitMacs[exit - 1]! / answer.costMacs).toFixed(1)} times the cost`;
  const others = disagreeing(answer, rest);
  const last = rest.at(-1)!;
  if (others.length === 0) {
    const [later, there] =
      rest.length - answer.exit === 1 ? ["The last exit", ""] : ["All later exits", "the last one "];
    return `${later} would have said ${answer.label} too, ${there}at ${times(last.exit)}: leaving lost nothing.`;
  }
  const said = others.map((one) => {
    return `exit ${one.exit} would have said ${classes[one.classIndex]} (${percent(one.confidence)}) at ${times(one.exit)}`;
  });
  const text = `${said.join(", ")}.`;
  return `${text[0]!.toUpperCase()}${text.slice(1)} ${judgement(truth, answer.label, classes[last.classIndex]!)}`;
}

/** @param final what the last exit says */
function judgement(truth: string | null, label: string, final: string): string {
  if (truth === null) return "Which of them is right, only you can say.";
  if (truth === label)
    return `It is a ${truth}: leaving was right${final === label ? "" : ", going to the end would have been wrong"}.`;
  return truth === final
    ? `It is a ${truth}: going to the end would have been right.`
    : `It is a ${truth}: both are wrong.`;
}
