import { parseArgs } from "node:util";
import { UserError } from "earlyexit";
import { serve } from "./serve.ts";

const DEFAULT_PORT = 8080;

const HELP = `Usage: earlyexit serve --model DIR [options]

  --model DIR   model or run folder
  --port N      port on this computer (default ${DEFAULT_PORT}; 0 for any that is free)
  --help        this text
`;

/**
 * `earlyexit serve`: prints the address, then answers until SIGINT or SIGTERM.
 *
 * @param args what stands behind `serve`
 * @throws {UserError} if an option is unknown or wrong
 */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const { model, port, help } = parse(args);
  if (help) {
    process.stdout.write(HELP);
    return;
  }
  if (model === undefined)
    throw new UserError("serve: --model DIR expected, found none; give a model or run folder with a policy");
  const service = await serve({ model, port: portOf(port) });
  process.stdout.write(`${service.url}\n`);
  await new Promise<void>((stop) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop());
  });
  await service.close();
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { model: { type: "string" }, port: { type: "string" }, help: { type: "boolean", short: "h" } },
    }).values;
  } catch (cause) {
    throw new UserError(`serve: ${(cause as Error).message}; earlyexit serve --help shows all options`, { cause });
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT;
  const port = Number(text);
  if (text.trim() !== "" && Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new UserError(`--port: a whole number from 0 to 65535 expected, found ${text}; correct it`);
}
