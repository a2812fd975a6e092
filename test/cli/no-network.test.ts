/**
 * Pictures never leave this machine: every command, and the service, in a network namespace without any route. Each does there what it
 * does elsewhere, tries no connection but to itself, and writes nowhere but in the folders that it was given and the cache.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { COMMAND, type Writing, writeInputs, writings } from "../fuzz/commands.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
/** It takes minutes. */
const IS_LONG = process.env.EARLYEXIT_LONG !== undefined;
const root = new URL("../..", import.meta.url).pathname;
const base = IS_LONG ? mkdtempSync(join(tmpdir(), "earlyexit-no-network-")) : join(tmpdir(), "earlyexit-never-made");
const inputs = join(base, "inputs");
const works = (...args: string[]): boolean => spawnSync(args[0]!, args.slice(1)).status === 0;
const unshare = [
  ["unshare", "-n"],
  ["unshare", "-rn"],
].find((one) => works(...one, "true"));
const isPossible = IS_LONG && unshare !== undefined && works("strace", "-V");
if (IS_LONG && !isPossible)
  console.log("no-network: skipped, as this machine lets nobody make a network namespace (unshare) or has no strace");

interface Traced {
  readonly code: number | null;
  readonly said: string;
  /** Files in the empty home and the empty folder for temporary files. */
  readonly left: readonly string[];
  /** Places that were written outside of the folder. */
  readonly written: readonly string[];
  readonly connections: readonly string[];
}

/** Runs a program in a namespace of its own, in which there is only the machine itself. @param folder where it may write */
function alone(args: readonly string[], folder: string): Traced {
  const [home, temporary, log] = [join(folder, "home"), join(folder, "tmp"), join(folder, "trace")];
  for (const one of [home, temporary]) mkdirSync(one);
  const strace = [
    "strace",
    "-f",
    "-qq",
    "-z",
    "-o",
    log,
    "-e",
    "trace=connect,sendto,openat,mkdir,rename,unlink,link,symlink",
  ];
  const ended = spawnSync(unshare![0]!, [...unshare!.slice(1), ...strace, process.execPath, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: temporary, XDG_CACHE_HOME: join(folder, "cache") },
    encoding: "utf8",
  });
  const lines = readFileSync(log, "utf8").split("\n");
  const left = [home, temporary].flatMap((one) => readdirSync(one, { recursive: true, encoding: "utf8" }));
  const changing = lines.filter((line) => !line.includes("openat(") || /O_(WRONLY|RDWR|CREAT)/.test(line));
  const written = changing
    .flatMap((line) => (/ (connect|sendto)\(/.test(line) ? [] : (/"([^"]*)"/.exec(line)?.[1] ?? [])))
    .filter((path) => path.startsWith("/") && !path.startsWith(folder) && !/^\/(dev|proc)\//.test(path));
  const connections = lines.filter((line) => /sa_family=AF_INET/.test(line));
  return { code: ended.status, said: ended.stderr, left, written, connections };
}

function inFolder(args: (out: string) => readonly string[], from?: Writing["from"]): Traced {
  const folder = mkdtempSync(join(base, "box-"));
  if (from) cpSync(join(inputs, from), join(folder, "out"), { recursive: true });
  return alone(args(join(folder, "out")), folder);
}

const NOTHING = { code: 0, left: [], written: [], connections: [] };

beforeAll(async () => {
  if (!isPossible) return;
  mkdirSync(inputs);
  await writeInputs(inputs);
  const named = (name: string): Writing => writings(inputs).find((one) => one.name === name)!;
  const make = (args: readonly string[]): void => {
    const ended = spawnSync(process.execPath, [COMMAND, ...args], { encoding: "utf8" });
    expect(ended.status, ended.stderr).toBe(0);
  };
  make(named("train").args(join(inputs, "trained")));
  cpSync(join(inputs, "trained"), join(inputs, "learned"), { recursive: true });
  make(named("learn").args(join(inputs, "learned")));
});
afterAll(() => IS_LONG && rmSync(base, { recursive: true, force: true }));

describe.skipIf(!isPossible)("without a route", () => {
  test.each(writings(inputs).map((one) => [one.name, one] as const))("%s", (_, { args, from }) => {
    expect(inFolder((out) => [COMMAND, ...args(out)], from)).toMatchObject(NOTHING);
  });

  const at = (name: string): string => join(inputs, name);
  const picture = join(root, "docs/accuracy-cost.png");
  const reading = [
    ["classify", picture, "--explain"],
    ["evaluate", "--model", at("learned"), "--data", at("data"), "--json"],
    ["bench", "--model", at("learned"), "--data", at("data"), "--images", "20", "--json"],
    ["data", "info", "--data", at("photos")],
    ["data", "check", "--data", at("photos")],
    ["data", "cache"],
    ["network", "info", at("theirs.onnx")],
  ];
  test.each(reading)("%s %s", (...args) => {
    expect(inFolder(() => [COMMAND, ...args])).toMatchObject(NOTHING);
  });

  test("what needs the network says so", () => {
    const { code, said } = inFolder(() => [COMMAND, "data", "download"]);
    expect(code).toBe(2);
    expect(said).toMatch(/^earlyexit: download: expected https:.*, found .*; check the connection/m);
  });

  test("the service answers who asks on the same machine, and asks nobody", () => {
    const folder = mkdtempSync(join(base, "box-"));
    const script = join(folder, "serve.mjs");
    writeFileSync(script, SERVE);
    const { connections, ...traced } = alone(
      [script, join(root, "service/dist/index.js"), at("learned"), picture],
      folder,
    );
    expect(traced).toMatchObject({ code: 0, left: [], written: [] });
    expect(connections.filter((line) => !line.includes("127.0.0.1"))).toEqual([]);
  });
});

/** Starts the service, asks it once, and ends it; the namespace's own loopback is brought up before. */
const SERVE = `
  import { execFileSync } from "node:child_process";
  import { readFileSync } from "node:fs";
  const [, , service, model, picture] = process.argv;
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const { serve } = await import(service);
  const running = await serve({ models: { m: model }, port: 0 });
  const answer = await fetch(running.url + "/v1/classify", { method: "POST", body: readFileSync(picture), headers: { "content-type": "image/png" } });
  if (!answer.ok) throw new Error(await answer.text());
  await running.close();`;
