/** A run as a stream of events: what its `metrics.jsonl` holds, and what is added to it from now on. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openRegularFile } from "../files/reader.ts";

export type RunEvent =
  /** Whole lines, without their ends; `offset` is where the next one begins, in bytes. */
  | { readonly kind: "lines"; readonly lines: readonly string[]; readonly offset: number }
  /** The file is another one than before: what was told is void. */
  | { readonly kind: "restart" }
  /** Sent once the file was read to its end, and whenever this changes. */
  | { readonly kind: "state"; readonly state: "waiting" | "live" | "still" }
  /** There is an `evaluation.json`, new or changed. */
  | { readonly kind: "evaluation" }
  /** There is a `suspects.json`, new or changed. */
  | { readonly kind: "suspects" }
  /** There is an `origin.json`, new or changed. */
  | { readonly kind: "origin" };

export interface FollowOptions {
  /** Where to begin, in bytes; default 0. */
  readonly from?: number;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks; default 500. */
  readonly everyMs?: number;
  /** A run that has added nothing for so many milliseconds is called still; default 60,000. */
  readonly stillAfterMs?: number;
}

/** Files of a run that are told of when they change. */
const RESULTS = ["evaluation", "suspects", "origin"] as const;
/** Bytes read at a time. */
const CHUNK = 1 << 18;
const NEWLINE = 0x0a;

/** Ends when the signal is aborted. The folder and its files may appear, grow or be replaced at any time. */
export async function* followRun(folder: string, options: FollowOptions): AsyncGenerator<RunEvent, void, undefined> {
  const { from = 0, signal, everyMs = 500, stillAfterMs = 60_000 } = options;
  let offset = from;
  let state = "";
  const seen = new Map<string, number>();
  while (!signal.aborted) {
    const metrics = await changeOf(join(folder, "metrics.jsonl"));
    if (offset > (metrics?.size ?? 0)) {
      offset = 0;
      yield { kind: "restart" };
    }
    for (const size = metrics?.size ?? 0; offset < size; ) {
      const lines = await readLines(join(folder, "metrics.jsonl"), offset, Math.min(CHUNK, size - offset));
      if (!lines) break;
      offset = lines.offset;
      yield lines;
    }
    for (const kind of RESULTS) {
      const found = await changeOf(join(folder, `${kind}.json`));
      if (found && found.changedMs !== seen.get(kind)) yield { kind };
      if (found) seen.set(kind, found.changedMs);
    }
    const now = !metrics ? "waiting" : Date.now() - metrics.changedMs < stillAfterMs ? "live" : "still";
    if (now !== state) yield { kind: "state", state: now };
    state = now;
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

async function changeOf(path: string): Promise<{ size: number; changedMs: number } | null> {
  const found = await stat(path).catch(() => null);
  return found && { size: found.size, changedMs: found.mtimeMs };
}

type Lines = Extract<RunEvent, { kind: "lines" }>;

/** The whole lines among the bytes from an offset on; null where there is none. A line longer than these is read to its end. */
async function readLines(path: string, from: number, length: number): Promise<Lines | null> {
  const file = await openRegularFile(path).catch(() => null);
  if (!file) return null;
  try {
    for (let wanted = length; ; wanted *= 2) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(wanted), 0, wanted, from);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
      if (end > 0) return { kind: "lines", lines: buffer.toString("utf8", 0, end - 1).split("\n"), offset: from + end };
      if (bytesRead < wanted) return null;
    }
  } finally {
    await file.close();
  }
}
