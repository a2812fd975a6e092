/** `data cache`: the pictures that were decoded, and how to be rid of them. */
import { Command, Option } from "@commander-js/extra-typings";
import { cacheLimit, emptyCache, listCache, setCacheLimit } from "../dataset/cache.ts";
import { defaultCacheFolder } from "../dataset/download.ts";
import { formatTable } from "../report/table.ts";
import { number } from "./options.ts";
import { say } from "./output.ts";

export function dataCacheCommand() {
  return new Command("cache")
    .description("Pictures that were decoded once and are kept: lists them, empties the cache, sets its size.")
    .option("--empty", "remove all that no running program uses")
    .addOption(
      new Option("--limit <gb>", "how many gigabytes the cache may hold (at first 50)").argParser(
        number("limit", 0.1, 1e5),
      ),
    )
    .action(async (flags) => {
      const folder = defaultCacheFolder();
      if (flags.limit !== undefined) await setCacheLimit(folder, flags.limit * 1e9);
      if (flags.empty) {
        const removed = await emptyCache(folder);
        say(`removed ${removed.length} sets of pictures, ${gigabytes(removed)}\n`);
      }
      const kept = await listCache(folder);
      say(`${folder}: ${gigabytes(kept)} of at most ${((await cacheLimit(folder)) / 1e9).toFixed(1)} GB\n`);
      if (kept.length === 0) return;
      const rows = kept.map(({ source, pictures, shape, bytes, lastUsed, inUse }) => [
        source ?? "(interrupted; a run goes on with it)",
        String(pictures),
        shape,
        `${(bytes / 1e6).toFixed(1)} MB`,
        lastUsed.toISOString().slice(0, 16).replace("T", " "),
        inUse ? "in use" : "",
      ]);
      const columns = [
        { title: "source", align: "left" as const },
        { title: "pictures" },
        { title: "size" },
        { title: "on disk" },
        { title: "used (UTC)" },
        { title: "", align: "left" as const },
      ];
      say(`${formatTable(columns, rows)}\n`);
    });
}

function gigabytes(all: readonly { readonly bytes: number }[]): string {
  return `${(all.reduce((sum, { bytes }) => sum + bytes, 0) / 1e9).toFixed(2)} GB`;
}
