/** Answers of `classify` as lines: for people, for spreadsheets, for programs. */
import type { Classification, ExitTrace } from "../inference/classification.ts";
import type { Decider } from "../policy/decider.ts";
import { formatMacs, formatPercent } from "../report/format.ts";

export const ANSWER_FORMATS = ["text", "csv", "jsonl"] as const;

/** What was said of a picture, or why nothing can be. */
export type Answered =
  | ({ readonly image: string } & Classification)
  | { readonly image: string; readonly error: string };

interface Form {
  readonly classes: readonly string[];
  /** E */
  readonly exits: number;
  /** How many of the likeliest classes are named. */
  readonly top: number;
  /** Who decides. */
  readonly decider: Decider;
}

type Good = Extract<Answered, { label: string }>;

export function plainLine(answer: Good, { classes, exits, top }: Form): string {
  const { image, exit, costMacs, latencyMs, readMs, unsure, label } = answer;
  const likeliest = likeliestOf(answer, top).map(({ index, p }) => `${classes[index]} (${formatPercent(p)})`);
  const said = unsure ? `${label}, maybe ${likeliest.join(", ")}` : likeliest.join(", ");
  const times = `${latencyMs.toFixed(1)} ms + ${readMs.toFixed(1)} to read`;
  return `${image}: ${said}, exit ${exit} of ${exits}, ${formatMacs(costMacs)}, ${times}`;
}

/** The reason, then a line per exit on the way. */
export function explanation({ trace, reason }: Good, form: Form): string[] {
  return [`  ${reason}`, ...trace.map((one) => `    ${exitLine(one, form)}`)];
}

function exitLine({ exit, classIndex, confidence, qExit, qContinue }: ExitTrace, { classes, decider }: Form): string {
  const values = qExit === null || qContinue === null ? "the last one" : decisionValues(qExit, qContinue, decider);
  return `exit ${exit}: ${classes[classIndex]} (${formatPercent(confidence)}); ${values}`;
}

/** An agent's two Q-values; where thresholds decide, the exit's score and its threshold, which for entropy have their sign turned. */
function decisionValues(qExit: number, qContinue: number, decider: Decider): string {
  if (decider === "dqn") return `leaving ${qExit.toFixed(3)}, going on ${qContinue.toFixed(3)}`;
  const score = decider.slice("threshold:".length);
  const sign = score === "entropy" ? -1 : 1;
  return `${score} ${(sign * qExit).toFixed(3)}, threshold ${(sign * qContinue).toFixed(3)}`;
}

const COLUMNS = [
  "image",
  "label",
  "confidence",
  "exit",
  "cost_macs",
  "latency_ms",
  "read_ms",
  "stopped_by",
  "reason",
  "error",
];

/** With `--top`, two more columns for each further class. */
export function csvHead({ top }: Form): string {
  const more = Array.from({ length: top - 1 }, (_, i) => [`label_${i + 2}`, `confidence_${i + 2}`]);
  return [...COLUMNS, ...more.flat()].join(",");
}

export function csvLine(answer: Answered, { classes, top }: Form): string {
  if ("error" in answer) return [answer.image, ...COLUMNS.slice(2).map(() => ""), answer.error].map(quoted).join(",");
  const { image, label, confidence, exit, costMacs, latencyMs, readMs, stoppedBy, reason } = answer;
  const more = likeliestOf(answer, top).slice(1);
  const cells = [
    image,
    label,
    confidence,
    exit,
    Math.round(costMacs),
    latencyMs.toFixed(3),
    readMs.toFixed(3),
    stoppedBy,
  ];
  return [...cells, reason, "", ...more.flatMap(({ index, p }) => [classes[index]!, p])].map(quoted).join(",");
}

/** RFC 4180; a text that a spreadsheet would take for a formula gets an apostrophe in front. */
function quoted(cell: string | number): string {
  if (typeof cell === "number") return String(cell);
  const harmless = /^[=+\-@\t\r]/.test(cell) && cell !== "-" ? `'${cell}` : cell;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function likeliestOf({ probabilities }: Classification, count: number): { index: number; p: number }[] {
  return probabilities
    .map((p, index) => ({ index, p }))
    .sort((a, b) => b.p - a.p)
    .slice(0, count);
}
