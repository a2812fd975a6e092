import { Command, CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { diskError } from "../files/disk-errors.ts";
import { VERSION } from "../version.ts";
import { Interrupted } from "./interrupt.ts";
import { printable, printableLine } from "./output.ts";

type LoadCommand = () => Promise<CommandUnknownOpts>;

/** Each with its modules, so that a command waits for its own alone. */
const COMMANDS: Readonly<Record<string, LoadCommand>> = {
  run: async () => (await import("./run.ts")).runCommand(),
  train: async () => (await import("./train.ts")).trainCommand(),
  learn: async () => (await import("./learn.ts")).learnCommand(),
  quantise: async () => (await import("./quantise.ts")).quantiseCommand(),
  evaluate: async () => (await import("./evaluate.ts")).evaluateCommand(),
  compare: async () => (await import("./compare.ts")).compareCommand(),
  classify: async () => (await import("./classify.ts")).classifyCommand(),
  sweep: async () => (await import("./sweep.ts")).sweepCommand(),
  score: async () => (await import("./score.ts")).scoreCommand(),
  worker: async () => (await import("./worker.ts")).workerCommand(),
  jobs: async () => (await import("./jobs.ts")).jobsCommand(),
  attach: async () => (await import("./attach.ts")).attachCommand(),
  bench: async () => (await import("./bench.ts")).benchCommand(),
  export: async () => (await import("./export.ts")).exportCommand(),
  report: async () => (await import("./report.ts")).reportCommand(),
  serve: async () => (await import("./serve.ts")).serveCommand(),
  models: async () => (await import("./serve.ts")).modelsCommand(),
  ui: async () => (await import("./ui.ts")).uiCommand(),
  data: async () => (await import("./data.ts")).dataCommand(),
  network: async () => (await import("./network.ts")).networkCommand(),
};

const EXIT_CODE = { ok: 0, defect: 1, mistake: 2 } as const;

/**
 * Runs one command.
 *
 * @returns the exit code: 0 ok, 2 the user's mistake (one line on stderr), 1 a defect, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP
 */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = new Command("earlyexit")
    .description("Image classification that stops computing as soon as it knows the answer.")
    .version(VERSION)
    .enablePositionalOptions() // options behind a subcommand are its own, also where the command above knows them
    .showHelpAfterError("(earlyexit <command> --help shows all options)");
  try {
    for (const load of wanted(args[0] ?? "")) program.addCommand(await load());
    for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)])
      command.exitOverride();
    await program.parseAsync([...args], { from: "user" });
    return EXIT_CODE.ok;
  } catch (error) {
    return report(error);
  }
}

/** Where the system met it, for what no reader or writer of ours has named. */
function pathOf(error: unknown): string {
  return error instanceof Error && "path" in error ? String(error.path) : "disk";
}

/** What V8, WebAssembly and ONNX Runtime say when the machine, or a limit set on the process, gives no more memory. */
function memoryError(cause: unknown): UserError | null {
  if (!(cause instanceof Error) || !/allocation failed|out of memory|bad_alloc|failed to allocate/i.test(cause.message))
    return null;
  const said = cause.message.split("\n")[0];
  return new UserError(
    `memory: enough of it expected, found none left (${said}); close other programs, raise the limit (ulimit -v), or do with smaller pictures`,
    { cause },
  );
}

/** The command that is named, none for the version, else all: help lists them. */
function wanted(first: string): LoadCommand[] {
  if (Object.hasOwn(COMMANDS, first)) return [COMMANDS[first]!];
  return first === "--version" || first === "-V" ? [] : Object.values(COMMANDS);
}

/** A mistake is known by its name: the service throws the one of the installed package, which is not the one bundled here. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODE.ok : EXIT_CODE.mistake;
  const mistake =
    error instanceof Error && error.name === "UserError"
      ? error
      : (diskError(error, pathOf(error), "a working disk") ?? memoryError(error));
  if (mistake) {
    process.stderr.write(`earlyexit: ${printableLine(mistake.message)}\n`);
    return EXIT_CODE.mistake;
  }
  if (error instanceof Interrupted) {
    process.stderr.write(`earlyexit: ${error.message}\n`);
    return error.code;
  }
  process.stderr.write(
    `earlyexit: this is a defect, please report it\n${printable(String(error instanceof Error ? error.stack : error))}\n`,
  );
  return EXIT_CODE.defect;
}
