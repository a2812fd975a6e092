#!/usr/bin/env node
import { runCli } from "./cli.ts";

let cannotWrite = false;
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough, for example `head`, or a terminal that was closed: the work goes on without it.
    if (error.code === "EPIPE" || error.code === "EIO" || cannotWrite) return;
    cannotWrite = true;
    process.stderr.write(
      `earlyexit: output: a place that takes it expected, found none (${error.code}); make room, or send it elsewhere\n`,
    );
  });

const code = await runCli(process.argv.slice(2));
process.exitCode = code;
process.once("exit", () => {
  if (cannotWrite && code === 0) process.exitCode = 2;
});
