/**
 * kill -9 at random moments of every command that writes. What lies there then is a state that an uninterrupted command passes through
 * as well, never a mixture; the same command (`--resume` where a run was begun) goes on, and ends with the same bytes as if nothing
 * had happened; nothing half-written is left over, nothing still runs. `npm run test:long` kills each 50 times
 * (`EARLYEXIT_KILLS` says another number); `npm test` does not.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  watch,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../src/files/sha256.ts";
import { ownName, readInFolder, withFolder } from "../../src/files/writer.ts";
import { modelFiles, tablePolicyFiles } from "../../src/model/model.ts";
import { holds, loadModel, loadPolicy } from "../../src/model/model-folder.ts";
import { integer, seededRandom } from "../../src/random.ts";
import { COMMAND, type Writing, writeInputs, writings } from "./commands.ts";

const IS_LONG = process.env.EARLYEXIT_LONG !== undefined;
const KILLS = Number(process.env.EARLYEXIT_KILLS ?? 50);
const base = IS_LONG ? mkdtempSync(join(tmpdir(), "earlyexit-kills-")) : join(tmpdir(), "earlyexit-never-made");
const inputs = join(base, "inputs");

type Tree = Record<string, string>;

/** A command as it ends by itself. */
interface Uninterrupted {
  readonly ms: number;
  /** Changes of names that a watcher of the folder sees. */
  readonly events: number;
  readonly tree: Tree;
  /** Models that lie there on the way and at the end. */
  readonly states: readonly string[];
}

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly events: number;
}

/** @param watched its changes are counted @param kill says at each change whether it is enough */
function command(
  args: readonly string[],
  watched: string,
  kill: (events: number) => boolean,
  afterMs?: number,
): Promise<Ended> {
  const env = { ...process.env, XDG_CACHE_HOME: join(watched, "cache") };
  const child = spawn(process.execPath, [COMMAND, ...args], {
    env,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let [stderr, events] = ["", 0];
  child.stderr!.on("data", (chunk) => {
    stderr += chunk;
  });
  const watcher = watch(watched, { recursive: true }, () => {
    if (kill(++events)) child.kill("SIGKILL");
  });
  const timer = afterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), afterMs);
  return new Promise((resolve) => {
    child.once("close", (code) => {
      watcher.close();
      clearTimeout(timer);
      expect(isAlive(child), "a process that it started").toBe(false);
      resolve({ code, stderr, events });
    });
  });
}

function isAlive({ pid }: ChildProcess): boolean {
  try {
    process.kill(-pid!, 0); // the group
    return true;
  } catch {
    return false;
  }
}

const never = (): boolean => false;

/** A folder of its own for one try; the one to be written is `out` in it. */
function box({ from }: Writing): string {
  const folder = mkdtempSync(join(base, "try-"));
  if (from) cpSync(join(inputs, from), join(folder, "out"), { recursive: true });
  return folder;
}

/** Every file, by its digest; of the metrics only that they are lines of JSON, whose times differ. */
function treeOf(folder: string): Tree {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }).sort() : [];
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(
    files.map((name) => {
      const bytes = readFileSync(join(folder, name));
      return [name, name === "metrics.jsonl" ? metricsOf(bytes.toString()) : sha256(bytes)];
    }),
  );
}

/** Steps that were logged, which rise. */
function metricsOf(text: string): string {
  const lines = text.split("\n").filter((line) => line !== "");
  const steps = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "train");
  return steps.map(({ step }: { step: number }) => step).join();
}

/** The model or policy in the folder, loaded: by the digest of all that was loaded. */
async function stateOf(folder: string): Promise<string> {
  const digest = (files: ReadonlyMap<string, Uint8Array>): string => sha256(...files.values());
  if (await holds(folder, "model.json")) return digest(modelFiles(await loadModel(folder)));
  return (await holds(folder, "policy.json")) ? digest(tablePolicyFiles(await loadPolicy(folder))) : "none";
}

async function uninterrupted(writing: Writing): Promise<Uninterrupted> {
  const folder = box(writing);
  const out = join(folder, "out");
  const states = [await stateOf(out), ...(writing.name === "run" ? [await stateOf(join(inputs, "trained"))] : [])];
  const started = performance.now();
  const { code, stderr, events } = await command(writing.args(out), folder, never);
  expect(code, stderr).toBe(0);
  return { ms: performance.now() - started, events, tree: treeOf(out), states: [...states, await stateOf(out)] };
}

/** Kills it, looks, and does it again. @returns which state was found */
async function killed(writing: Writing, whole: Uninterrupted, i: number): Promise<string> {
  const folder = box(writing);
  const out = join(folder, "out");
  const random = seededRandom(91, i);
  const [at, afterMs] = [integer(random, 1, whole.events), integer(random, 0, Math.ceil(whole.ms))];
  const { events } = await command(
    writing.args(out),
    folder,
    i % 2 ? never : (count) => count === at,
    i % 2 ? afterMs : undefined,
  );
  const where = `${writing.name}, kill ${i}: ${i % 2 ? `after ${afterMs} ms` : `at change ${at} of ${whole.events}, seen ${events}`}`;
  const state = await stateOf(out);
  expect(whole.states, where).toContain(state);
  if (writing.name.startsWith("export")) await expectPartsOf(whole.tree, out, where);
  const isOver = state === whole.states.at(-1) && state !== "none" && state !== whole.states[0];
  if (isOver && writing.once)
    await withFolder(out, async () => undefined); // whoever writes there next
  else {
    const resume = writing.resumes && existsSync(join(out, "config.json")) ? ["--resume"] : [];
    const { code, stderr } = await command([...writing.args(out), ...resume], folder, never);
    expect(code, `${where}: ${stderr}`).toBe(0);
  }
  expect(treeOf(out), where).toEqual(whole.tree);
  rmSync(folder, { recursive: true, force: true });
  return isOver ? "after" : state === whole.states[0] ? "before" : "between";
}

/** What other programs read has no state that could be loaded: each file is whole, wherever it lies. */
async function expectPartsOf(tree: Tree, folder: string, where: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter((one) => !ownName(one)))
    expect(sha256((await readInFolder(folder, name))!), `${where}: ${name}`).toBe(tree[name]);
}

beforeAll(async () => {
  if (!IS_LONG) return;
  mkdirSync(inputs);
  await writeInputs(inputs);
  const make = async (name: string, from: string): Promise<void> => {
    const out = join(inputs, name);
    if (from) cpSync(join(inputs, from), out, { recursive: true });
    const { args } = writings(inputs).find((one) => one.name === (from ? "learn" : "train"))!;
    const { code, stderr } = await command(args(out), base, never);
    expect(code, stderr).toBe(0);
  };
  await make("trained", "");
  await make("learned", "trained");
});
afterAll(() => IS_LONG && rmSync(base, { recursive: true, force: true }));

describe.runIf(IS_LONG)(`kill -9, ${KILLS} times a command`, () => {
  test.each(writings(inputs).map((one) => [one.name, one] as const))(
    "%s",
    { timeout: 3_600_000 },
    async (_, writing) => {
      const whole = await uninterrupted(writing);
      const found: Record<string, number> = {};
      for (let i = 0; i < KILLS; i++) {
        const state = await killed(writing, whole, i);
        found[state] = (found[state] ?? 0) + 1;
      }
      if (process.env.EARLYEXIT_LONG)
        console.log(writing.name, `${(whole.ms / 1000).toFixed(1)} s`, whole.events, found);
    },
  );
});
