/** Files with the folders that they lie in, however they came: chosen, or dropped. */

export interface FoundFile {
  readonly file: File;
  /** Name of the innermost folder; "" where there is none. */
  readonly folder: string;
}

/** Of an input that takes a folder. */
export function chosenFiles(files: Iterable<File>): FoundFile[] {
  return [...files].map((file) => ({ file, folder: file.webkitRelativePath.split("/").at(-2) ?? "" }));
}

/** Of a drop: folders are looked through to any depth. Must be called before the event ends; the entries live on. */
export async function droppedFiles(transfer: DataTransfer): Promise<FoundFile[]> {
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return [...transfer.files].map((file) => ({ file, folder: "" }));
  const found: FoundFile[] = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry: FileSystemEntry, folder: string, found: FoundFile[]): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    found.push({ file, folder });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at a time
    if (some.length === 0) return;
    for (const one of some) await walk(one, entry.name, found);
  }
}

/** What a browser may read as a picture; the rest of a folder is passed over. */
export function isPicture({ type, name }: File): boolean {
  return type.startsWith("image/") || (type === "" && /\.(jpe?g|png|webp|gif|bmp|avif)$/i.test(name));
}
