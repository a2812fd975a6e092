/** `data check`: what is wrong with pictures before anything is trained on them. */
import { Command } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { type DuplicatePair, findDuplicates, type PictureAt } from "../dataset/duplicates.ts";
import {
  askedOf,
  dataOption,
  datasetOption,
  jsonOption,
  labelsOption,
  openData,
  sizeOption,
  sourceOf,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress } from "./progress.ts";

/** So many of each kind are named; --json names all. */
const NAMED = 20;

interface Findings {
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
  readonly smallClasses: readonly { readonly name: string; readonly pictures: number }[];
  /** Between two splits: what is tested or validated on was trained on. */
  readonly leaks: readonly DuplicatePair[];
  /** Within a split, under two classes. */
  readonly contradictions: readonly DuplicatePair[];
  /** Within a split, of one class. */
  readonly duplicates: readonly DuplicatePair[];
}

export function dataCheckCommand() {
  return new Command("check")
    .description("Unreadable files, pictures that are there twice, leaks between train and test, classes with too few.")
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(sizeOption())
    .addOption(labelsOption())
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const size = flags.size === undefined ? {} : { size: flags.size };
      const asked = { ...askedOf(flags), skipBroken: true, seed: 1, ...size };
      const data = await openData(sourceOf(flags) ?? "shapes", progress, asked);
      progress.note("comparing pictures");
      const findings = check(data);
      say(flags.json ? `${JSON.stringify(findings, null, 2)}\n` : `${findingsText(findings)}\n`);
    });
}

function check(data: Dataset): Findings {
  const pairs = findDuplicates(data);
  const within = pairs.filter(({ first, second }) => first.split === second.split);
  return {
    unreadable: data.leftOut ?? [],
    smallClasses: smallClasses(data),
    leaks: pairs.filter(({ first, second }) => first.split !== second.split),
    contradictions: within.filter(({ first, second }) => first.className !== second.className),
    duplicates: within.filter(({ first, second }) => first.className === second.className),
  };
}

/** Classes with one picture, or none, to train on. */
function smallClasses({ classes, train, test }: Dataset): { name: string; pictures: number }[] {
  const counts = new Array<number>(classes.length).fill(0);
  for (const label of (train ?? test).labels) counts[label]! += 1;
  return classes.flatMap((name, label) => (counts[label]! < 2 ? [{ name, pictures: counts[label]! }] : []));
}

function findingsText({ unreadable, smallClasses, leaks, contradictions, duplicates }: Findings): string {
  const at = ({ name, split, className }: PictureAt) => `${name} (${split}, ${className})`;
  const pair = ({ kind, first, second }: DuplicatePair) =>
    `${at(first)} and ${at(second)}${kind === "near" ? ", nearly" : ""}`;
  return [
    block(
      "files that cannot be read",
      unreadable.map(({ name, reason }) => `${name}: ${reason}`),
    ),
    block(
      "classes with fewer than two pictures to train on",
      smallClasses.map(({ name, pictures }) => `${name}: ${pictures}`),
    ),
    block("the same picture in two splits (a leak: figures would be too good)", leaks.map(pair)),
    block("the same picture under two classes", contradictions.map(pair)),
    block("the same picture twice in one class", duplicates.map(pair)),
  ].join("\n");
}

function block(title: string, lines: readonly string[]): string {
  const more = lines.length > NAMED ? [`and ${lines.length - NAMED} more (--json names all)`] : [];
  return [`${title}: ${lines.length}`, ...[...lines.slice(0, NAMED), ...more].map((line) => `  ${line}`)].join("\n");
}
