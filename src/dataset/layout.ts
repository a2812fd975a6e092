import type { DatasetParts } from "./dataset.ts";
import type { SourceFiles } from "./source-files.ts";

/** A way to lay a dataset out in files. A new one is a file of its own and a line in `LAYOUTS`. */
export interface Layout {
  /** The files that make it, for the message when a source fits no layout. */
  readonly expects: string;
  /** Whether a file of this name (a relative path with "/") is one that `read` reads. */
  isWanted(name: string, testOnly: boolean): boolean;
  /** Called if at least one file is wanted. */
  read(files: SourceFiles, testOnly: boolean): Promise<DatasetParts>;
}
