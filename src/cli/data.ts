import { Command } from "@commander-js/extra-typings";
import { defaultCacheFolder, downloadCifar10 } from "../dataset/download.ts";
import { formatTable } from "../report/table.ts";
import { dataOption, datasetOption, openData, sourceOf } from "./options.ts";
import { say } from "./output.ts";
import { createProgress } from "./progress.ts";

export function dataCommand() {
  const command = new Command("data").description("Look at images, or fetch them.");
  command
    .command("info")
    .description("What a dataset holds.")
    .addOption(dataOption())
    .addOption(datasetOption())
    .action(async (flags) => {
      const data = await openData(sourceOf(flags) ?? "shapes", createProgress(), { seed: 1 });
      const splits = { train: data.train, validation: data.validation, test: data.test };
      const rows = Object.entries(splits).flatMap(([name, split]) =>
        split ? [[name, String(split.count), split.sha256]] : [],
      );
      say(
        `${data.name}: images ${data.imageShape.join("x")}, classes ${data.classes.join(", ")}\n` +
          `${formatTable([{ title: "split", align: "left" }, { title: "images" }, { title: "SHA-256", align: "left" }], rows)}\n`,
      );
    });
  command
    .command("download")
    .description(`Fetch CIFAR-10 into ${defaultCacheFolder()}, once.`)
    .action(async () => {
      const progress = createProgress();
      const path = await downloadCifar10({
        cacheFolder: defaultCacheFolder(),
        onProgress: ({ received, total }) => progress.download(received, total),
      });
      progress.stop();
      say(`${path}\n`);
    });
  return command;
}
