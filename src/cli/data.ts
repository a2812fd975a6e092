import { Command } from "@commander-js/extra-typings";
import { defaultCacheFolder, downloadCifar10 } from "../dataset/download.ts";
import { dataCacheCommand } from "./data-cache.ts";
import { dataCheckCommand } from "./data-check.ts";
import { dataInfoCommand } from "./data-info.ts";
import { say } from "./output.ts";
import { createProgress } from "./progress.ts";

export function dataCommand() {
  const command = new Command("data").description("Look at pictures, check them, or fetch some.");
  command.addCommand(dataInfoCommand());
  command.addCommand(dataCheckCommand());
  command.addCommand(dataCacheCommand());
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
