import { existsSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { holds, loadModel } from "../model/model-folder.ts";
import type { OfferedModel } from "../server/app.ts";
import { serve } from "../server/serve.ts";
import { number } from "./options.ts";
import { printable, say } from "./output.ts";

const DEFAULT_PORT = 7411;

/** The models that come with the package; the first one has pictures to click at once. */
const SHIPPED: readonly OfferedModel[] = [
  { id: "shapes", title: "Shapes: ten kinds of drawings", folder: shipped("shapes") },
  { id: "cifar10", title: "CIFAR-10: photos of ten kinds of things", folder: shipped("cifar10") },
];

export function uiCommand() {
  return new Command("ui")
    .description("A page on this computer: try pictures, watch a run learn, train in the browser.")
    .option("--model <dir>", "model or run folder to try, beside those of the package")
    .option("--run <dir>", "run folder to watch, live or finished")
    .option("--runs <dir>", "folder of runs to list and compare (default: that of --run, else runs)")
    .addOption(
      new Option("--port <n>", `port of the page (default ${DEFAULT_PORT}; 0 for any that is free)`).argParser(
        number("port", 0, 65_535, true),
      ),
    )
    .action(async ({ model, run, runs, port }) => {
      const server = await serve({
        models: await offered(model, run),
        run: run === undefined ? null : resolve(run),
        runs: resolve(runs ?? (run === undefined ? "runs" : dirname(resolve(run)))),
        port: port ?? DEFAULT_PORT,
      });
      say(`${server.url}\n`);
      if (run !== undefined && !existsSync(run))
        process.stderr.write(printable(`there is no ${run} yet: the page waits for a run there\n`));
      process.stderr.write("open it in a browser; only this computer can reach it; Ctrl-C ends it\n");
      await new Promise<void>((stop) => {
        for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop());
      });
      await server.close();
    });
}

/** The user's own come first. @throws {UserError} if `model` holds no model with a policy */
async function offered(model: string | undefined, run: string | undefined): Promise<OfferedModel[]> {
  const own: OfferedModel[] = [];
  if (model !== undefined) {
    const { policy, network } = await loadModel(model);
    if (!policy)
      throw new UserError(
        `${model}: a model with a policy expected, found a network alone; run 'earlyexit learn' first`,
      );
    own.push({
      id: "model",
      title: basename(resolve(model)),
      folder: resolve(model),
      networkFiles: [...network.files().keys()],
    });
  }
  if (run !== undefined && resolve(run) !== own[0]?.folder && (await holds(run, "policy.safetensors")))
    own.push({ id: "run-model", title: basename(resolve(run)), folder: resolve(run) });
  return [...own, ...SHIPPED];
}

function shipped(name: string): string {
  return fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
}
