import { type Entry, openPromise } from "yauzl";
import { UserError } from "../errors.ts";
import { FILE_LIMIT, type FilePlace } from "./file-place.ts";
import { isPassedOver, type SourceFiles } from "./source-files.ts";

const STORED = 0;
const DEFLATED = 8;

/** A `.zip`, of which only the list of entries is read; any thread unpacks them at random. */
export async function openZip(path: string): Promise<SourceFiles> {
  const places = new Map<string, FilePlace>();
  const passedOver = await listEntries(path, places).catch((cause: Error) => {
    if (cause instanceof UserError) throw cause;
    throw new UserError(
      `data: expected a whole .zip, found ${path} broken (${cause.message}); download or copy it again`,
      {
        cause,
      },
    );
  });
  return {
    path,
    names: [...places.keys()].sort(),
    passedOver,
    place: (name) => places.get(name)!,
    close: async () => {},
  };
}

/** @returns how many entries are passed over */
async function listEntries(path: string, places: Map<string, FilePlace>): Promise<number> {
  let passedOver = 0;
  const zip = await openPromise(path);
  try {
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName;
      if (name.endsWith("/")) continue; // a folder
      if (name.split("/").some(isPassedOver)) passedOver++;
      else if (places.has(name))
        throw new UserError(`data: expected every name once in ${path}, found ${name} twice; pack it anew`);
      else places.set(name, placeOf(path, entry));
    }
  } finally {
    zip.close();
  }
  return passedOver;
}

function placeOf(path: string, entry: Entry): FilePlace {
  const { fileName, compressionMethod, compressedSize, uncompressedSize, relativeOffsetOfLocalHeader } = entry;
  const found = entry.isEncrypted() ? "is locked by a password" : `is packed by method ${compressionMethod}`;
  if (entry.isEncrypted() || (compressionMethod !== STORED && compressionMethod !== DEFLATED))
    throw new UserError(
      `data: expected entries of ${path} that are stored or deflated, found that ${fileName} ${found}; pack it anew`,
    );
  return {
    path,
    offset: relativeOffsetOfLocalHeader,
    bytes: compressedSize,
    packing: compressionMethod === DEFLATED ? "zip deflated" : "zip stored",
    size: Math.min(uncompressedSize, FILE_LIMIT + 1), // more is refused when it is read
  };
}
