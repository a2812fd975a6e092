/** A run's suspects beside its report: `suspects.csv` and, with the pictures, `suspects.html`. */
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { type Suspect, suspects } from "../evaluation/suspects.ts";
import { type AnswerTable, answersOf } from "../exits/answers.ts";
import { type LearnedPolicy, validationOf } from "../policy/learned-policy.ts";
import { pngAddress } from "./examples.ts";
import { galleryHtml } from "./gallery.ts";

const MOST = 50;
const ABOUT =
  "Pictures whose label the last exit most surely denies. Where it is right, the label is wrong: look at these first. " +
  "None of them was trained on.";

/** The gallery, for people. */
export const SUSPECTS = "suspects.html";

/** @returns the files, and how many suspects there are; none of both if there is no suspect */
export async function suspectFiles(
  data: Dataset,
  policy: LearnedPolicy,
  test: AnswerTable,
): Promise<{ readonly files: ReadonlyMap<string, string>; readonly count: number }> {
  const splits: [string, Samples | null, AnswerTable][] = [
    ["validation", data.validation, answersOf(validationOf(policy), policy.agent)],
    ["test", data.test, test],
  ];
  const found = splits.flatMap(([split, samples, table]) =>
    samples && samples.count === table.count
      ? suspects(table, MOST).map((one) => ({ ...one, split, samples, name: nameOf(samples, one, split) }))
      : [],
  );
  const chosen = found.sort((a, b) => b.confidence - a.confidence).slice(0, MOST);
  if (chosen.length === 0) return { files: new Map(), count: 0 };
  const { classes } = data;
  const rows = chosen.map(({ split, name, label, answer, confidence, labelProbability }) =>
    [split, name, classes[label]!, classes[answer]!, confidence.toFixed(4), labelProbability.toFixed(4)]
      .map(cell)
      .join(","),
  );
  const pictures = [];
  for (const { samples, image, name, label, answer, confidence } of chosen)
    pictures.push({
      png: await pngAddress(samples.pixels.read(image, image + 1), data.imageShape),
      text: `${name}: labelled ${classes[label]}, looks like ${classes[answer]} (${(100 * confidence).toFixed(0)}%)`,
    });
  const files = new Map([
    ["suspects.csv", `split,file,label,answer,confidence,label_probability\n${rows.join("\n")}\n`],
    [SUSPECTS, galleryHtml("Suspects", ABOUT, [{ title: `${chosen.length} pictures`, pictures }])],
  ]);
  return { files, count: chosen.length };
}

function nameOf({ names }: Samples, { image }: Suspect, split: string): string {
  return names?.[image] ?? `${split} picture ${image + 1}`;
}

/** A cell of CSV; one that a spreadsheet would take for a formula is made text. */
function cell(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
