import { UserError } from "../errors.ts";
import { FILE_LIMIT, type FilePlace, readPlace } from "./file-place.ts";

/** The files that a dataset is read from: a folder's, or those of an archive. */
export interface SourceFiles {
  /** As the user gave it. */
  readonly path: string;
  /** Relative paths with "/", at any depth, sorted; without what is passed over. */
  readonly names: readonly string[];
  /** Files and folders that nobody put there as data: hidden ones, `Thumbs.db` and the like, empty folders. */
  readonly passedOver: number;
  /** Where one of `names` lies; of a tar archive, one that was wanted when it was opened. */
  place(name: string): FilePlace;
  /** Removes what was unpacked. */
  close(): Promise<void>;
}

/** Hidden files, and what systems leave behind. @param name without its folders */
export function isPassedOver(name: string): boolean {
  return name.startsWith(".") || /^(__MACOSX|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r)$/i.test(name);
}

/** @throws {UserError} if the file cannot be read as a whole */
export async function readSource(files: SourceFiles, name: string, limit = FILE_LIMIT): Promise<Uint8Array> {
  return readPlace(files.place(name), limit).catch((cause: Error) => {
    throw new UserError(`data: expected to read ${name} in ${files.path}, found ${cause.message}; check the file`, {
      cause,
    });
  });
}
