/** Where files come in: an ONNX file and the weights beside it. */
import { lstat } from "node:fs/promises";
import { dirname, join, normalize, sep } from "node:path";
import { UserError } from "../errors.ts";
import { readFile } from "../files/reader.ts";
import { type ExternalFiles, externalLocations, MOST_BYTES } from "./external-data.ts";
import { parseModel } from "./onnx-file.ts";

export interface NetworkFile {
  readonly bytes: Uint8Array;
  readonly external: ExternalFiles;
}

/**
 * Weights are read from plain files inside the ONNX file's own folder alone: no links, no way out of it.
 *
 * @throws {UserError} if there is no such file, it is no ONNX file, or its weights are elsewhere or too large
 */
export async function readNetworkFile(path: string): Promise<NetworkFile> {
  const bytes = await plainFile(path, path, "an ONNX file");
  const external = new Map<string, Uint8Array>();
  let total = bytes.length;
  for (const location of externalLocations(parseModel(bytes, path))) {
    await checkInside(dirname(path), location, path);
    const file = await plainFile(join(dirname(path), location), path, `its weights in ${location}`);
    external.set(location, file);
    total += file.length;
    checkSize(total, path);
  }
  return { bytes, external };
}

function checkSize(bytes: number, where: string): void {
  if (bytes > MOST_BYTES)
    throw new UserError(
      `${where}: at most ${MOST_BYTES} bytes with its weights expected (what ONNX Runtime takes from memory), found ${bytes}; ` +
        "export it in float16, or a smaller network",
    );
}

/** @throws {UserError} if the way there leaves the folder or goes through a link */
async function checkInside(folder: string, location: string, where: string): Promise<void> {
  const parts = normalize(location).split(/[\\/]/);
  const refuse = (found: string): UserError =>
    new UserError(
      `${where}: weights in its own folder expected, found ${location}, ${found}; copy them beside the file`,
    );
  if (location === "" || parts.includes("..") || parts[0] === "" || /^[a-z]:/i.test(location))
    throw refuse("outside of it");
  for (let i = 1; i <= parts.length; i++) {
    const entry = await lstat(join(folder, parts.slice(0, i).join(sep))).catch(() => null);
    if (entry?.isSymbolicLink()) throw refuse("a link");
  }
}

async function plainFile(path: string, where: string, expected: string): Promise<Uint8Array> {
  try {
    const { size } = await lstat(path);
    checkSize(size, where);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`${where}: ${expected} expected, found none that can be read; check the path`, { cause });
  }
}
