import { percent } from "../../panels/text.ts";
import type { Sure } from "./use-sure.ts";

/** Shares of the named classes that are to be right. */
const CHOICES = [0.9, 0.95, 0.99, 0.999];

interface PreciseChoiceProps {
  /** null: a class is always named */
  readonly precise: number | null;
  readonly onChoose: (precise: number | null) => void;
  readonly sure: Sure | null;
}

/** Whether a class is named where the answer is not sure enough. */
export function PreciseChoice({ precise, onChoose, sure }: PreciseChoiceProps) {
  return (
    <div class="precise">
      <label for="precise">Name a class</label>{" "}
      <select
        id="precise"
        value={precise ?? ""}
        onChange={({ currentTarget: { value } }) => onChoose(value === "" ? null : Number(value))}
      >
        <option value="">always</option>
        {CHOICES.map((share) => (
          <option key={share} value={share}>
            where {percent(share, share > 0.99 ? 1 : 0)} of such answers are right
          </option>
        ))}
      </select>
      <p role="status">{precise === null ? "" : statusOf(sure)}</p>
    </div>
  );
}

function statusOf(sure: Sure | null): string {
  if (!sure) return "Looking at the validation images...";
  if ("problem" in sure) return sure.problem;
  const { least, answered, precision } = sure;
  return (
    `From a confidence of ${percent(least)} on, else "unsure". Of the validation images ${percent(answered)} are answered, ` +
    `${percent(precision)} of those rightly.`
  );
}
