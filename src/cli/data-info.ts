/** `data info`: what a data set holds, and what it looks like. */
import { Command } from "@commander-js/extra-typings";
import type { Dataset } from "../dataset/dataset.ts";
import { lookAtPictures, type PictureFacts } from "../dataset/survey.ts";
import { replaceFile } from "../files/writer.ts";
import { pngAddress, spread } from "../report/examples.ts";
import { formatCount } from "../report/format.ts";
import { galleryHtml } from "../report/gallery.ts";
import { formatTable } from "../report/table.ts";
import {
  askedOf,
  dataOption,
  datasetOption,
  jsonOption,
  labelsOption,
  openData,
  sizeOption,
  skipBrokenOption,
  sourceOf,
} from "./options.ts";
import { say } from "./output.ts";
import { createProgress } from "./progress.ts";

const PER_CLASS = 12;

export function dataInfoCommand() {
  return new Command("info")
    .description(
      "What a dataset holds: classes, splits, formats and sizes of its pictures; with --sheet, what they look like.",
    )
    .addOption(dataOption())
    .addOption(datasetOption())
    .addOption(sizeOption())
    .addOption(labelsOption())
    .addOption(skipBrokenOption())
    .option("--sheet <file.html>", "write some pictures of each class, as they are trained on, into one HTML file")
    .addOption(jsonOption())
    .action(async (flags) => {
      const progress = createProgress();
      const source = sourceOf(flags) ?? "shapes";
      const asked = askedOf(flags);
      const size = flags.size === undefined ? {} : { size: flags.size };
      const data = await openData(source, progress, { seed: 1, ...asked, ...size });
      const isNamed = source === "shapes" || source === "cifar10";
      const facts = isNamed ? null : await lookAtPictures(source, { labels: asked.labels });
      if (flags.sheet) {
        await replaceFile(flags.sheet, await contactSheet(data));
        progress.note(`wrote ${flags.sheet}`);
      }
      say(flags.json ? `${JSON.stringify(infoJson(data, facts), null, 2)}\n` : infoText(data, facts));
    });
}

function splitsOf({ train, validation, test }: Dataset) {
  return Object.entries({ train, validation, test }).flatMap(([name, split]) => (split ? [{ name, split }] : []));
}

function classCounts(data: Dataset): { name: string; counts: number[] }[] {
  const splits = splitsOf(data);
  return data.classes.map((name, label) => ({
    name,
    counts: splits.map(({ split }) => split.labels.reduce((sum, one) => sum + (one === label ? 1 : 0), 0)),
  }));
}

function infoJson(data: Dataset, files: PictureFacts | null): object {
  const splits = splitsOf(data);
  return {
    name: data.name,
    imageShape: data.imageShape,
    splits: splits.map(({ name, split }) => ({ name, images: split.count, sha256: split.sha256 })),
    classes: classCounts(data).map(({ name, counts }) => ({
      name,
      images: Object.fromEntries(splits.map((one, i) => [one.name, counts[i]])),
    })),
    leftOut: data.leftOut ?? [],
    files,
  };
}

function infoText(data: Dataset, facts: PictureFacts | null): string {
  const splits = splitsOf(data);
  const columns = [{ title: "class", align: "left" as const }, ...splits.map(({ name }) => ({ title: name }))];
  const rows = classCounts(data).map(({ name, counts }) => [name, ...counts.map(formatCount)]);
  const digests = splits.map(({ name, split }) => [name, String(split.count), split.sha256]);
  return (
    `${data.name}: images ${data.imageShape.join("x")}, classes ${data.classes.join(", ")}\n` +
    `${formatTable([{ title: "split", align: "left" }, { title: "images" }, { title: "SHA-256", align: "left" }], digests)}\n` +
    `\n${formatTable(columns, rows)}\n${facts ? `\n${factsText(facts)}` : ""}`
  );
}

function factsText({ count, looked, formats, channels, sizes, passedOver, turned }: PictureFacts): string {
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, number]) => `${name} ${formatCount(number)}`)
      .join(", ");
  return (
    `files: ${formatCount(count)} pictures; ${formatCount(passedOver)} other files, hidden ones and empty folders passed over\n` +
    `of ${formatCount(looked)} looked at: formats ${list(formats)}; channels ${list(channels)}; turned by EXIF ${formatCount(turned)}\n` +
    `sizes: smallest ${sizes.smallest}, median ${sizes.median}, largest ${sizes.largest}\n`
  );
}

async function contactSheet(data: Dataset): Promise<string> {
  const samples = data.train ?? data.test;
  const groups = [];
  for (const [label, title] of data.classes.entries()) {
    const own = [...samples.labels.keys()].filter((i) => samples.labels[i] === label);
    const pictures = [];
    for (const i of spread(own, PER_CLASS))
      pictures.push({
        png: await pngAddress(samples.pixels.read(i, i + 1), data.imageShape),
        text: samples.names?.[i] ?? "",
      });
    groups.push({ title: `${title}: ${formatCount(own.length)}`, pictures });
  }
  const about = `Pictures of each class as they are trained on, ${data.imageShape.join("x")}.`;
  return galleryHtml(data.name, about, groups);
}
