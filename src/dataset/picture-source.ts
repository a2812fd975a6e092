import type { FilePlace } from "./file-place.ts";
import type { LabelledFile } from "./picture-folders.ts";

/** One more whenever a reader says other names, classes or splits of the same files: what was decoded before is then read anew. */
export const READING_VERSION = 1;

/** What a reader of pictures finds: a plan, and the way to the bytes of each. A new reader is a file of its own and a line in `picturesIn`. */
export interface PictureSource {
  /** As the user gave it. */
  readonly path: string;
  readonly pictures: readonly LabelledFile[];
  /** Files that are no data. */
  readonly passedOver: number;
  /** What the user should know, each a sentence. */
  readonly notes: readonly string[];
  from(picture: number): FilePlace | Promise<Uint8Array>;
  /** Frees what it holds. */
  close(): Promise<void>;
}
