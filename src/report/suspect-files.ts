/** A run's suspects: `suspects.csv`, with the pictures `suspects.html`, and `suspects.json` for report and page. */
import { join } from "node:path";
import type { Dataset, Samples } from "../dataset/dataset.ts";
import { type Suspect, suspects } from "../evaluation/suspects.ts";
import { type AnswerTable, answersOf } from "../exits/answers.ts";
import { readJsonFile } from "../files/reader.ts";
import { holds } from "../model/model-folder.ts";
import { type LearnedPolicy, validationOf } from "../policy/learned-policy.ts";
import { pngAddress } from "./examples.ts";
import { galleryHtml } from "./gallery.ts";
import type { SuspectPicture } from "./report-data.ts";

/** For report and page. */
const SUSPECTS = "suspects.json";

const MOST = 50;
const ABOUT =
  "Pictures whose label the last exit most surely denies. Where it is right, the label is wrong: look at these first. " +
  "None of them was trained on.";

/** The gallery, for people. */
export const GALLERY = "suspects.html";

interface Found {
  /** All of them are there even if nothing is suspected: what an earlier look left is replaced. */
  readonly files: ReadonlyMap<string, string>;
  readonly suspects: readonly SuspectPicture[];
}

/** Looks for them on validation and test. */
export async function suspectFiles(data: Dataset, policy: LearnedPolicy, test: AnswerTable): Promise<Found> {
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
  const { classes } = data;
  const rows = chosen.map(({ split, name, label, answer, confidence, labelProbability }) =>
    [split, name, classes[label]!, classes[answer]!, confidence.toFixed(4), labelProbability.toFixed(4)]
      .map(cell)
      .join(","),
  );
  const pictures = await Promise.all(
    chosen.map(async ({ samples, image, name, label, answer, confidence }) => ({
      png: await pngAddress(samples.pixels.read(image, image + 1), data.imageShape),
      name,
      label: classes[label]!,
      answer: classes[answer]!,
      confidence,
    })),
  );
  const header = "split,file,label,answer,confidence,label_probability";
  const files = new Map([
    ["suspects.csv", `${[header, ...rows].join("\n")}\n`],
    [GALLERY, gallery(pictures)],
    [SUSPECTS, JSON.stringify(pictures)],
  ]);
  return { files, suspects: pictures };
}

function gallery(pictures: readonly SuspectPicture[]): string {
  const shown = pictures.map(({ png, name, label, answer, confidence }) => ({
    png,
    text: `${name}: labelled ${label}, looks like ${answer} (${(100 * confidence).toFixed(0)}%)`,
  }));
  return galleryHtml("Suspects", ABOUT, [{ title: `${shown.length} pictures`, pictures: shown }]);
}

/** Those of the run that the folder holds; null where it has none. */
export async function storedSuspects(folder: string): Promise<readonly SuspectPicture[] | null> {
  return (await holds(folder, SUSPECTS)) ? ((await readJsonFile(join(folder, SUSPECTS))) as SuspectPicture[]) : null;
}

function nameOf({ names }: Samples, { image }: Suspect, split: string): string {
  return names?.[image] ?? `${split} picture ${image + 1}`;
}

/** A cell of CSV; one that a spreadsheet would take for a formula is made text. */
function cell(text: string): string {
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
