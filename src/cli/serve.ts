import { Command } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";

/** The service's own package, which knows the options; nothing here depends on it. */
const SERVICE = "@earlyexit/server";

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

/** Each runs until it is done or stopped. */
type Service = Readonly<Record<"serveCommand" | "modelsCommand", (args: readonly string[]) => Promise<void>>>;

async function loadService(command: string): Promise<Service> {
  try {
    return await import(SERVICE);
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND")) throw cause;
    if (!cause.message.includes(`'${SERVICE}'`)) throw cause;
    throw new UserError(
      `${command}: the package ${SERVICE} expected, found none; install it beside this one: npm install ${SERVICE}`,
      { cause },
    );
  }
}
