/** `earlyexit sweep`: what it plans, what it does once, and what its table says. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunSeconds } from "../../src/cli/sweep-estimate.ts";
import { plannedRuns, readSweep } from "../../src/cli/sweep-plan.ts";
import { reportCsv, sweepReport } from "../../src/cli/sweep-report.ts";
import { type RunResult, resultFile, runWork } from "../../src/cli/sweep-run.ts";
import { pairedDifference, repeated } from "../../src/evaluation/repeated.ts";
import { replaceFile } from "../../src/files/writer.ts";
import type { PointFigures } from "../../src/report/sweep-data.ts";
import { jobOf } from "../../src/story/jobs.ts";
import { drawPictures } from "./drawn-pictures.ts";
import { runHere } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-sweep-"));
const data = join(folder, "pictures");
beforeAll(() => drawPictures(data, 150));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function sweepFile(sweep: object): string {
  const path = join(folder, `sweep-${++files}.json`);
  writeFileSync(path, JSON.stringify(sweep));
  return path;
}
const fixed = () => ({ data, blueprint: "tiny", recipe: "quick", size: 32, from: "none", validation: 0.5, epochs: 1 });

test("a grid is every combination with every seed, a sample some of them; keys name all that decides", async () => {
  const axes = { epochs: [1, 2, 3], balance: [false, true], seed: [1, 2] };
  const sweep = await readSweep(sweepFile({ config: fixed(), axes }));
  expect(sweep.settings.map(({ name }) => name)).toEqual(
    [1, 2, 3].flatMap((epochs) => [false, true].map((balance) => `epochs=${epochs} balance=${balance}`)),
  );
  const runs = await plannedRuns(sweep, folder);
  expect(runs).toHaveLength(12);
  expect(new Set(runs.map(({ input }) => input.key)).size).toBe(12);
  const drawn = await readSweep(sweepFile({ config: fixed(), axes, sample: { settings: 2, seed: 3 } }));
  expect(drawn.settings).toHaveLength(2);
  expect(sweep.settings.map(({ name }) => name)).toEqual(
    expect.arrayContaining(drawn.settings.map(({ name }) => name)),
  );
  const keys = new Map(runs.map(({ job, input }) => [job.name, input.key]));
  for (const { job, input } of await plannedRuns(drawn, join(folder, "elsewhere")))
    expect(input.key).toBe(keys.get(job.name)); // wherever it is stored
  writeFileSync(join(data, "0/00000.png"), readFileSync(join(data, "0/00010.png")));
  const changed = await plannedRuns(sweep, folder);
  expect(changed[0]!.input.key).not.toBe(runs[0]!.input.key); // other pictures, another run
});

test("lambdas as a range are in equal ratios", async () => {
  const { lambdas } = await readSweep(sweepFile({ axes: {}, lambdas: { from: 0.01, to: 1, points: 3 } }));
  expect(lambdas!.map((one) => one.toFixed(6))).toEqual(["0.010000", "0.100000", "1.000000"]);
});

test("what is wrong is told before anything runs", async () => {
  const wrong = async (sweep: object) => (await readSweep(sweepFile(sweep)).catch((error: Error) => error)).toString();
  expect(await wrong({ axes: { colour: [1] } })).toMatch(/fields of a run's config expected.*colour/i);
  expect(await wrong({ axes: { blueprint: ["huge"] } })).toMatch(/blueprint .*expected, found huge/);
  expect(await wrong({ axes: { recipe: ["slow"] } })).toMatch(/recipe .*expected, found slow/);
  expect(await wrong({ axes: { seed: [1.5] } })).toMatch(/seed/);
  expect(await wrong({ axes: { epochs: [] } })).toMatch(/axes\.epochs/);
  expect(await wrong({ axes: { epochs: [1] }, sample: { settings: 2 } })).toMatch(/at most 1 expected.*found 2/);
});

test("a dry run says how many runs there are and how long they take, and leaves nothing", async () => {
  const out = join(folder, "dry");
  const path = sweepFile({ config: fixed(), axes: { epochs: [1, 30], seed: [1, 2] } }); // one step, and more than are timed
  const { code, stdout } = await runHere(
    ...["sweep", "--config", path, "--out", out, "--dry-run", "--threads", "1", "--json"],
  );
  expect(code).toBe(0);
  const { runs, seconds, settings } = JSON.parse(stdout);
  expect(runs).toBe(4);
  expect(settings.map((one: { setting: string; runs: number }) => [one.setting, one.runs])).toEqual([
    ["epochs=1", 2],
    ["epochs=30", 2],
  ]);
  for (const one of settings) expect(Math.min(one.trainingSeconds, one.learningSeconds)).toBeGreaterThan(0);
  const each = settings.map((one: RunSeconds) => one.trainingSeconds + one.learningSeconds);
  expect(seconds).toBeCloseTo(2 * each[0] + 2 * each[1], 9);
  expect(existsSync(out)).toBe(false);
});

test("a worker refuses a run of another version, and data that are not those that were meant", async () => {
  const [run] = await plannedRuns(await readSweep(sweepFile({ config: fixed(), axes: {} })), join(folder, "refused"));
  const given = (changed: object) => runWork()(jobOf("run", "one", { ...run!.input, ...changed }), {});
  await expect(given({ version: "0.0.1" })).rejects.toThrow(/a job of version .* expected, found one of 0\.0\.1/);
  await expect(given({ dataSha256: "0".repeat(64) })).rejects.toThrow(/the data with SHA-256 0{12}\.\.\. expected in /);
});

test("means, spreads and Student's paired intervals, by hand", () => {
  expect(repeated([1, 2, 3, 6])).toEqual({ mean: 3, std: Math.sqrt(14 / 3), n: 4 });
  expect(repeated([5])).toEqual({ mean: 5, std: null, n: 1 });
  const { value, interval } = pairedDifference([
    [3, 1],
    [5, 1],
    [7, 1],
  ]); // differences 2, 4, 6
  expect(value).toBe(4);
  expect(interval![0]).toBeCloseTo(4 - (4.303 * 2) / Math.sqrt(3), 10);
  expect(interval![1]).toBeCloseTo(4 + (4.303 * 2) / Math.sqrt(3), 10);
  expect(pairedDifference([[2, 1]])).toEqual({ value: 1, interval: null, n: 1 });
});

test("the report: the best by validation, whatever the test split says; differences over common seeds", async () => {
  const out = join(folder, "made-up");
  mkdirSync(join(out, "results"), { recursive: true });
  const sweep = await readSweep(
    sweepFile({ config: fixed(), axes: { epochs: [1, 2], seed: [1, 2, 3] }, by: "accuracy" }),
  );
  const runs = await plannedRuns(sweep, out);
  const figures = (accuracy: number): PointFigures => ({
    accuracy,
    costMacs: 1e6,
    savings: 0.5,
    effectiveness: 50 * accuracy,
    return: accuracy - 0.01,
  });
  const accuracies = { 1: [0.7, 0.8, 0.9], 2: [0.6, 0.65, 0.7] } as const;
  for (const { input, setting, seed } of runs) {
    const epochs = setting.config.epochs as 1 | 2;
    if (epochs === 1 && seed === 3) continue; // not done yet
    const test = figures(accuracies[epochs][seed - 1]!);
    const validation = { ...figures(epochs === 2 ? 0.9 : 0.5), lambda: 0.1 };
    const result: RunResult = { key: input.key, version: "0", seconds: 1, points: [{ lambda: 0.1, test, validation }] };
    await replaceFile(resultFile(out, input.key), JSON.stringify(result));
  }
  const report = await sweepReport(sweep, runs, out);
  expect(report.runs).toEqual({ done: 5, of: 6 });
  const [one, two] = report.settings;
  expect([one!.isBest, two!.isBest]).toEqual([false, true]);
  expect(one!.test.accuracy.mean).toBeCloseTo(0.75, 12);
  expect(one!.minusBest!.accuracy).toMatchObject({ n: 2 });
  expect(one!.minusBest!.accuracy.value).toBeCloseTo((0.1 + 0.15) / 2, 12);
  const [head, ...rows] = reportCsv(report).trimEnd().split("\n");
  expect(head!.split(",").slice(0, 6)).toEqual([
    "setting",
    "lambda",
    "n",
    "best",
    "test_accuracy_mean",
    "test_accuracy_std",
  ]);
  expect(rows.map((row) => row.split(",").slice(0, 4))).toEqual([
    ["epochs=1", "", "2", "0"],
    ["epochs=2", "", "3", "1"],
  ]);
  for (const row of rows) expect(row.split(",")).toHaveLength(head!.split(",").length);
});

test("runs are done once, and say the same as 'run' and 'evaluate'", async () => {
  const out = join(folder, "out");
  const path = sweepFile({ config: fixed(), axes: { seed: [1] }, lambdas: [0.05, 0.3] });
  const args = ["sweep", "--config", path, "--out", out, "--threads", "1", "--json"];
  const first = await runHere(...args);
  expect(first.stderr + first.code).toMatch(/0$/);
  const report = JSON.parse(first.stdout);
  expect(report.runs).toEqual({ done: 1, of: 1 });
  const [run] = await plannedRuns(await readSweep(path), out);
  const evaluated = await runHere(
    "evaluate",
    "--model",
    join(out, "runs", run!.input.key),
    "--data",
    data,
    "--lambda",
    "0.3",
    "--json",
  );
  const { accuracy, costMacs } = JSON.parse(evaluated.stdout);
  expect(report.settings[1]).toMatchObject({
    lambda: 0.3,
    isBest: true,
    test: { accuracy: { mean: accuracy, n: 1 }, costMacs: { mean: costMacs.mean } },
  });
  const result = resultFile(out, run!.input.key);
  const before = statSync(result).mtimeMs;
  const again = await runHere(...args);
  expect(again.stdout).toBe(first.stdout);
  expect(again.stderr).toContain("1 done already");
  expect(statSync(result).mtimeMs).toBe(before);
  expect(JSON.parse(readFileSync(join(out, "report.json"), "utf8"))).toEqual(report);
  const told = await runHere("sweep", "report", "--config", path, "--out", out, "--json");
  expect([told.stderr, JSON.parse(told.stdout)]).toEqual(["", report]);
  const plots = readdirSync(join(out, "plots"));
  expect(plots.filter((name) => name.endsWith(".svg")).sort()).toEqual([
    "accuracy-and-cost-of-the-settings.svg",
    "return-on-validation-at-lambda-0-05.svg",
    "return-on-validation-at-lambda-0-3.svg",
  ]);
});
