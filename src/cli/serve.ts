import { Command } from "@commander-js/extra-typings";
import { loadService } from "./service.ts";

export function serveCommand() {
  return new Command("serve")
    .description("A model as an HTTP service; needs the package @earlyexit/server, which has the options.")
    .argument("[options...]", "--model DIR [--port 8080]; all of them: earlyexit serve --help")
    .helpOption(false)
    .allowUnknownOption()
    .action(async (options) => {
      const { serveCommand: run } = await loadService("serve");
      await run(options);
    });
}

export function modelsCommand() {
  return new Command("models")
    .description(
      "Versions that a service has learned: list, learn, promote, rollback; needs the package @earlyexit/server.",
    )
    .argument("[options...]", "list|learn|promote ID|rollback; all options: earlyexit models --help")
    .helpOption(false)
    .allowUnknownOption()
    .action(async (options) => {
      const { modelsCommand: run } = await loadService("models");
      await run(options);
    });
}
