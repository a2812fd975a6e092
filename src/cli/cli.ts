import { Command, CommanderError } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { benchCommand } from "./bench.ts";
import { classifyCommand } from "./classify.ts";
import { dataCommand } from "./data.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportCommand } from "./export.ts";
import { learnCommand } from "./learn.ts";
import { networkCommand } from "./network.ts";
import { reportCommand } from "./report.ts";
import { runCommand } from "./run.ts";
import { trainCommand } from "./train.ts";
import { uiCommand } from "./ui.ts";

const EXIT_CODE = { ok: 0, defect: 1, mistake: 2, interrupted: 130 } as const;

/**
 * Runs one command.
 *
 * @returns the exit code: 0 ok, 2 the user's mistake (one line on stderr), 1 a defect, 130 stopped by Ctrl-C
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const commands = [
    runCommand(),
    trainCommand(),
    learnCommand(),
    evaluateCommand(),
    classifyCommand(),
    benchCommand(),
    exportCommand(),
    reportCommand(),
    uiCommand(),
    dataCommand(),
    networkCommand(),
  ];
  const program = new Command("earlyexit")
    .description("Image classification that stops computing as soon as it knows the answer.")
    .version(VERSION)
    .showHelpAfterError("(earlyexit <command> --help shows all options)");
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)])
    command.exitOverride();
  try {
    await program.parseAsync([...args], { from: "user" });
    return EXIT_CODE.ok;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.mistake;
  if (error instanceof UserError) {
    process.stderr.write(`earlyexit: ${error.message}\n`);
    return EXIT_CODE.mistake;
  }
  if (error instanceof DOMException && error.name === "AbortError") {
    process.stderr.write(`earlyexit: ${error.message}\n`);
    return EXIT_CODE.interrupted;
  }
  process.stderr.write(
    `earlyexit: this is a defect, please report it\n${error instanceof Error ? error.stack : error}\n`,
  );
  return EXIT_CODE.defect;
}
