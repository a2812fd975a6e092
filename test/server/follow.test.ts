import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FollowOptions, followRun, type RunEvent } from "../../src/server/follow.ts";

let folder: string;
let controller: AbortController;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "earlyexit-follow-"));
  controller = new AbortController();
});

afterEach(() => {
  controller.abort();
  rmSync(folder, { recursive: true, force: true });
});

function follow(options: Partial<FollowOptions> = {}) {
  const events = followRun(folder, { everyMs: 2, signal: controller.signal, ...options });
  return async (): Promise<RunEvent> => (await events.next()).value as RunEvent;
}

const write = (text: string) => appendFileSync(join(folder, "metrics.jsonl"), text);

test("a run that has not begun is waited for", async () => {
  rmSync(folder, { recursive: true });
  const next = follow();
  expect(await next()).toEqual({ kind: "state", state: "waiting" });
  mkdirSync(folder);
  write("a\n");
  expect(await next()).toEqual({ kind: "lines", lines: ["a"], offset: 2 });
  expect(await next()).toEqual({ kind: "state", state: "live" });
});

test("a line is told once it is whole, in bytes and not in letters", async () => {
  write("ä1\nhal");
  const next = follow();
  expect(await next()).toEqual({ kind: "lines", lines: ["ä1"], offset: 4 });
  expect(await next()).toEqual({ kind: "state", state: "live" });
  write("f\nlast\n");
  expect(await next()).toEqual({ kind: "lines", lines: ["half", "last"], offset: 14 });
});

test("a file larger than one read, with a line larger than one read", async () => {
  const lines = [...Array.from({ length: 5000 }, (_, i) => `line ${i} ${"x".repeat(80)}`), "y".repeat(700_000), "end"];
  write(`${lines.join("\n")}\n`);
  const next = follow();
  const found: string[] = [];
  let events = 0;
  for (let event = await next(); event.kind === "lines"; event = await next(), events++) found.push(...event.lines);
  expect(found).toEqual(lines);
  expect(events).toBeGreaterThan(1);
});

test("a file that was begun anew is told from its start", async () => {
  write("first\nsecond\n");
  const next = follow({ from: 6 });
  expect(await next()).toMatchObject({ lines: ["second"] });
  expect(await next()).toMatchObject({ kind: "state" });
  writeFileSync(join(folder, "metrics.jsonl"), "new\n");
  expect(await next()).toEqual({ kind: "restart" });
  expect(await next()).toEqual({ kind: "lines", lines: ["new"], offset: 4 });
});

test("a run that adds nothing is still, and its evaluation and suspects are announced when they change", async () => {
  write("a\n");
  const next = follow({ stillAfterMs: 0 });
  expect(await next()).toMatchObject({ kind: "lines" });
  expect(await next()).toEqual({ kind: "state", state: "still" });
  writeFileSync(join(folder, "evaluation.json"), "{}");
  expect(await next()).toEqual({ kind: "evaluation" });
  writeFileSync(join(folder, "suspects.json"), "[]");
  expect(await next()).toEqual({ kind: "suspects" });
});

test("it ends when it is told to", async () => {
  const events = followRun(folder, { signal: controller.signal, everyMs: 100_000 });
  await events.next();
  const ended = events.next();
  controller.abort();
  expect(await ended).toEqual({ value: undefined, done: true });
});
