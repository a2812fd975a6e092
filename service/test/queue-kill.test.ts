/**
 * Workers that are killed with -9 and a broker that is restarted in the middle: the result is the same byte for byte. Long (EARLYEXIT_LONG=1):
 * 4 workers, 200 shards, a kill every 3 seconds, and a sweep of 12 runs. On busy cores workers would be killed before they have begun.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { drawPictures } from "../../test/cli/drawn-pictures.ts";
import { brokers, type TestBroker } from "./brokers.ts";

const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const isLong = process.env.EARLYEXIT_LONG === "1";
const [WORKERS, SHARDS, SHARD, KILL_MS] = [4, 200, 100, 3000];
const DRAWN = 200;
vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), "earlyexit-kill-"));
const data = join(folder, "pictures");
const once = join(folder, "once");
const base = ["--model", "shapes", "--data", data, "--shard-size", String(SHARD)];

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [COMMAND, ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((end) => child.once("exit", end));
  return child.exitCode;
}

const lines = (out: string): string[] =>
  readdirSync(out)
    .filter((name) => name.startsWith("shard-"))
    .flatMap((name) => readFileSync(join(out, name), "utf8").trimEnd().split("\n"))
    .sort();

const shardsIn = (out: string): number =>
  existsSync(out) ? readdirSync(out).filter((name) => /^shard-.*\.jsonl$/.test(name)).length : 0;

/** The process that computes for a worker; null where it has none at this moment. */
function childOf(pid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]) || null;
  } catch {
    return null;
  }
}

/** Workers, one of which is killed every so often and replaced, until it is stopped. */
function mortalWorkers(address: string, count: number, everyMs: number) {
  const begin = (): ChildProcess => start("worker", "--queue", address, "--jobs", "1", "--threads", "1");
  const workers = Array.from({ length: count }, begin);
  let kills = 0;
  const timer = setInterval(() => {
    const at = kills++ % count;
    const computing = childOf(workers[at]!.pid!);
    if (kills % 2 === 0 && computing)
      process.kill(computing, "SIGKILL"); // the worker itself stays
    else {
      workers[at]!.kill("SIGKILL");
      workers[at] = begin();
    }
  }, everyMs);
  return {
    kills: () => kills,
    async stop(): Promise<(number | null)[]> {
      clearInterval(timer);
      for (const worker of workers) worker.kill("SIGTERM");
      return Promise.all(workers.map(ended));
    },
  };
}

beforeAll(async () => {
  if (!isLong) return;
  await drawPictures(join(folder, "drawn"), DRAWN);
  mkdirSync(data);
  for (let copy = 0; copy < (SHARDS * SHARD) / DRAWN; copy++)
    cpSync(join(folder, "drawn"), join(data, String(copy).padStart(3, "0")), { recursive: true });
  const started = performance.now();
  expect(await ended(start("score", ...base, "--out", once))).toBe(0);
  console.info(`one process: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  expect(new Set(lines(once)).size).toBe(SHARDS * SHARD);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const { name, start: startBroker } of brokers())
  describe.skipIf(!startBroker || !isLong)(name, () => {
    let broker: TestBroker;
    beforeAll(async () => {
      broker = await startBroker!();
    });
    afterAll(() => broker.stop());

    test(`${SHARDS} shards on ${WORKERS} workers, kills and a restart: the same lines, each picture once`, async () => {
      const out = join(folder, `queued-${name}`);
      const started = performance.now();
      const workers = mortalWorkers(broker.address, WORKERS, KILL_MS);
      const scoring = start("score", ...base, "--out", out, "--queue", broker.address);
      while (shardsIn(out) < SHARDS / 3) await sleep(100);
      await broker.restart();
      const atRestart = shardsIn(out);
      expect(await ended(scoring)).toBe(0);
      const seconds = (performance.now() - started) / 1000;
      console.info(`${name}: ${seconds.toFixed(1)} s, ${workers.kills()} kills, restarted at ${atRestart} shards`);
      expect(workers.kills()).toBeGreaterThan(3);
      expect(atRestart).toBeLessThan(SHARDS);
      await workers.stop();
      expect(lines(out)).toEqual(lines(once));
      expect(readdirSync(out).filter((file) => file.endsWith(".part"))).toEqual([]);
    });

    test.runIf(name === "Redis")("a sweep of 12 runs on 2 workers gives the table of one process", async () => {
      const config = join(folder, "sweep.json");
      const fixed = {
        data: join(folder, "drawn"),
        blueprint: "tiny",
        recipe: "quick",
        size: 32,
        from: "none",
        validation: 0.5,
      };
      const axes = { epochs: [1, 2], balance: [false, true], seed: [1, 2, 3] };
      writeFileSync(config, JSON.stringify({ config: fixed, axes, lambdas: [0.05] }));
      const [here, queued] = [join(folder, "sweep-here"), join(folder, "sweep-queued")];
      expect(await ended(start("sweep", "--config", config, "--out", here, "--threads", "1"))).toBe(0);
      const workers = mortalWorkers(broker.address, 2, 20_000);
      expect(await ended(start("sweep", "--config", config, "--out", queued, "--queue", broker.address))).toBe(0);
      await workers.stop();
      const report = (out: string): string => readFileSync(join(out, "report.csv"), "utf8");
      expect(report(queued)).toBe(report(here));
      expect(JSON.parse(readFileSync(join(here, "report.json"), "utf8")).runs).toEqual({ done: 12, of: 12 });
    });
  });
