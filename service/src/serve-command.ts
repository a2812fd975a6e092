import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { modelFolder, readShortText, UserError } from "earlyexit";
import { LEAST_LESSONS } from "./learner.ts";
import { type ServeOptions, serve } from "./serve.ts";

const HELP = `Usage: earlyexit serve --model DIR [options]

A model as an HTTP service: POST a picture to /v1/classify; /docs shows the rest.

  --model [NAME=]DIR   model or run folder, or cifar10 or shapes, which come along; may be given several times
  --port N             default 8080; 0 for any that is free
  --host ADDRESS       default 127.0.0.1, this computer alone; any other needs --keys
  --keys FILE          one key per line; requests then need 'Authorization: Bearer KEY'
  --workers N          processes per model (default: the cores)
  --slo-ms X           promised time from request to answer; the price of computing keeps it (default 50)
  --lambda X           price of a quiet service (default: the recommended one of each model)
  --max-batch N        pictures per batch, at most (default 16)
  --batch-wait-ms X    how long a picture may wait for others while a worker is free (default 0)
  --max-bytes N        bytes of a request, at most (default 10000000)
  --rate-limit N       requests a second of each key, or of each address where there are no keys (default: any number)
  --store PLACE        keeps answers and labels: a folder, or postgres://..; then POST /v1/feedback takes labels
  --keep-pictures N    days that pictures are kept in the store, too (default 0: none is)
  --learn-after N      learns on when so many new labels have come (at least 200); default: when told, see earlyexit models
  --quiet              no log
  --help               this text
`;

const OPTIONS = {
  model: { type: "string", multiple: true },
  port: { type: "string" },
  host: { type: "string" },
  keys: { type: "string" },
  workers: { type: "string" },
  "slo-ms": { type: "string" },
  lambda: { type: "string" },
  "max-batch": { type: "string" },
  "batch-wait-ms": { type: "string" },
  "max-bytes": { type: "string" },
  "rate-limit": { type: "string" },
  store: { type: "string" },
  "keep-pictures": { type: "string" },
  "learn-after": { type: "string" },
  quiet: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/**
 * `earlyexit serve`: prints the address, then answers until SIGINT or SIGTERM; logs JSON lines to stderr.
 *
 * @param args what stands behind `serve`
 * @throws {UserError} if an option is unknown or wrong
 */
export async function serveCommand(args: readonly string[]): Promise<void> {
  const flags = parse(args);
  if (flags.help) {
    process.stdout.write(HELP);
    return;
  }
  for (const name of ["keep-pictures", "learn-after"] as const)
    if (flags[name] !== undefined && flags.store === undefined)
      throw new UserError(`serve: --store with --${name} expected, found none; say where answers and labels are kept`);
  if (!flags.model?.length)
    throw new UserError("serve: --model DIR expected, found none; give a model or run folder with a policy");
  const service = await serve({
    models: namedFolders(flags.model),
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.keys === undefined ? {} : { keys: await readKeys(flags.keys) }),
    ...(flags.store === undefined ? {} : { store: flags.store }),
    ...numbers(flags),
    logger: flags.quiet ? false : { stream: process.stderr },
  });
  process.stdout.write(`${service.url}\n`);
  await new Promise<void>((stop) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop());
  });
  await service.close();
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (cause) {
    throw new UserError(`serve: ${(cause as Error).message}; earlyexit serve --help shows all options`, { cause });
  }
}

/** By the name under which a model is served. @throws {UserError} if two have the same */
export function namedFolders(texts: readonly string[]): Record<string, string> {
  const pairs = texts.map((text) => {
    const [, name, folder] = /^([\w.-]+)=(.+)$/.exec(text) ?? [];
    return [name ?? basename(resolve(text)), resolve(modelFolder(folder ?? text))] as const;
  });
  const names = pairs.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new UserError(`--model: names that differ expected, found ${twice} twice; write NAME=DIR`);
  return Object.fromEntries(pairs);
}

async function readKeys(file: string): Promise<string[]> {
  const keys = (await readShortText(file)).split("\n").flatMap((line) => line.trim() || []);
  const short = keys.find((key) => key.length < 16);
  if (keys.length === 0 || short !== undefined)
    throw new UserError(
      `--keys: keys of at least 16 characters in ${file} expected, found ${keys.length === 0 ? "none" : "a shorter one"}; write one per line`,
    );
  return keys;
}

type Flags = ReturnType<typeof parse>;

function numbers(flags: Flags): Partial<ServeOptions> {
  const given = [
    ["port", numberOf(flags, "port", 0, 65_535, true)],
    ["workers", numberOf(flags, "workers", 1, 1024, true)],
    ["sloMs", numberOf(flags, "slo-ms", 1, 60_000)],
    ["lambda", numberOf(flags, "lambda", 0, 100)],
    ["maxBatch", numberOf(flags, "max-batch", 1, 1024, true)],
    ["batchWaitMs", numberOf(flags, "batch-wait-ms", 0, 10_000)],
    ["rateLimit", numberOf(flags, "rate-limit", 1, 1e6, true)],
    ["keepPictures", numberOf(flags, "keep-pictures", 0, 3650)],
    ["learnAfter", numberOf(flags, "learn-after", LEAST_LESSONS, 1e9, true)],
    ["maxBytes", numberOf(flags, "max-bytes", 1000, 1e9, true)],
  ] as const;
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function numberOf(flags: Flags, name: keyof Flags, from: number, to: number, whole = false): number | undefined {
  const text = flags[name];
  if (typeof text !== "string") return undefined;
  const value = Number(text);
  if (text.trim() !== "" && value >= from && value <= to && (!whole || Number.isInteger(value))) return value;
  throw new UserError(
    `--${name}: ${whole ? "a whole number" : "a number"} from ${from} to ${to} expected, found ${text}; correct it`,
  );
}
