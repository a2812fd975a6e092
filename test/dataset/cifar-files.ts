import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Files = Record<string, Uint8Array | string>;

export function writeFiles(folder: string, files: Files): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Records of CIFAR-10 (or, with `coarse`, CIFAR-100): pixel j of the record with this label is (label + j) mod 251. */
export function records(labels: readonly number[], coarse?: number): Uint8Array {
  const pixels = (label: number) => Array.from({ length: 3072 }, (_, j) => (label + j) % 251);
  return Uint8Array.from(
    labels.flatMap((label) => [...(coarse === undefined ? [] : [coarse]), label, ...pixels(label)]),
  );
}

export const classNames = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

/** 5 x 20 training records and 10 test records, two of a class in each training batch. */
export function cifar10Files(): Files {
  const files: Files = { "batches.meta.txt": `${classNames.join("\n")}\n\n` };
  for (let batch = 1; batch <= 5; batch++) {
    files[`data_batch_${batch}.bin`] = records(Array.from({ length: 20 }, (_, i) => (i + batch) % 10));
  }
  files["test_batch.bin"] = records([3, 1, 4, 1, 5, 9, 2, 6, 5, 3]);
  return files;
}

export function cifar100Files(): Files {
  return {
    "train.bin": records([...Array(100).keys(), ...Array(100).keys()], 19),
    "test.bin": records([99, 0, 57], 7),
    "fine_label_names.txt": Array.from({ length: 100 }, (_, k) => `fine${k}`).join("\n"),
    "coarse_label_names.txt": Array.from({ length: 20 }, (_, k) => `coarse${k}`).join("\n"),
  };
}
