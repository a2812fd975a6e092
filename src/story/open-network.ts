/** Somebody else's network from its file. */
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { readJsonFile, readTextIfThere } from "../files/reader.ts";
import { type FeedingOptions, feedingOf, readBeside } from "../network/feeding.ts";
import type { OpenedNetwork } from "../network/imported-network.ts";
import { readNetworkFile } from "../onnx/network-file.ts";
import { prepare } from "../onnx/prepare.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface OpenNetworkOptions extends Omit<FeedingOptions, "beside"> {
  /** Height and width of its pictures, where the file leaves them open; default: what lies beside the file says, or 224. */
  readonly input?: number;
  /** [K'] names of what it tells apart, or a file with one name per line; default: what `config.json` or `NAME.labels.txt` beside the file says. */
  readonly labels?: readonly string[] | string;
  readonly runtime?: Runtime;
}

/**
 * Reads an ONNX file: its constants are folded, its shapes known, its cuts found. `preprocessor_config.json`, `config.json` and
 * `NAME.labels.txt` beside it are read, if they are there.
 *
 * @throws {UserError} if it is no ONNX file, ONNX Runtime does not take it, or it takes no pictures
 */
export async function openNetwork(path: string, options: OpenNetworkOptions = {}): Promise<OpenedNetwork> {
  const { input, labels: given, runtime = createNodeRuntime(), ...feedingOptions } = options;
  const { bytes, external } = await readNetworkFile(path);
  const beside = {
    preprocessor: await jsonIfThere(join(dirname(path), "preprocessor_config.json")),
    config: await jsonIfThere(join(dirname(path), "config.json")),
  };
  const found = readBeside(beside);
  const side = input ?? found.side;
  const prepared = await prepare(bytes, { runtime, where: path, external, ...(side ? { side } : {}) });
  const name = basename(path).replace(/\.onnx$/, "");
  const { feeding, picture } = feedingOf({ prepared, name }, { ...feedingOptions, beside });
  const [, height] = picture.shape;
  if (input !== undefined && height !== input)
    throw new UserError(`--input: ${height} expected (the file fixes it), found ${input}; leave it out`);
  const besideIt = await readTextIfThere(join(dirname(path), `${name}.labels.txt`));
  const named = found.labels ?? (besideIt === null ? null : namesIn(besideIt));
  const labels = typeof given === "string" ? await readLabels(given) : (given ?? named);
  if (labels && prepared.classes !== null && labels.length !== prepared.classes)
    throw new UserError(
      `--labels: ${prepared.classes} names expected (what ${name} tells apart), found ${labels.length}; give one per line`,
    );
  return { name, file: bytes, external, prepared, feeding, picture, labels };
}

async function readLabels(path: string): Promise<string[]> {
  const text = await readTextIfThere(path);
  if (text === null)
    throw new UserError(`--labels: a text file with one name per line expected, found none at ${path}; check the path`);
  return namesIn(text);
}

/** One per line. */
function namesIn(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

async function jsonIfThere(path: string): Promise<unknown> {
  try {
    return await readJsonFile(path);
  } catch {
    return undefined; // it is a help, not a need
  }
}
