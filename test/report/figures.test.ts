/** Every plot as SVG, PDF and CSV, from what the report is made of. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { pairedDifference, repeated } from "../../src/evaluation/repeated.ts";
import { curveFiles, figureFiles, sweepFiles } from "../../src/report/figures.ts";
import type { FigureData } from "../../src/report/report-data.ts";
import type { SettingReport } from "../../src/report/sweep-data.ts";

const isBuilt = existsSync(new URL("../../dist/figures/figures.js", import.meta.url));
if (!isBuilt) console.warn("figures: skipped, run 'npm run build' first");

const train = (step: number) => ({
  kind: "train",
  step,
  steps: 20,
  epoch: step / 10,
  epochs: 2,
  loss: 2 - step / 20,
  accuracy: [0.3, 0.4 + step / 100],
  learningRate: 0.1,
  imagesPerSecond: 100,
  secondsLeft: 1,
});
const metrics = Array.from({ length: 20 }, (_, i) => JSON.stringify(train(i + 1))).join("\n");
const text = (bytes: Uint8Array | undefined): string => new TextDecoder("latin1").decode(bytes);

describe.skipIf(!isBuilt)("the plots of a training", () => {
  test("each is drawn, with its title, in colours that stand alone", async () => {
    const files = await figureFiles({ evaluation: null, metrics });
    const names = ["loss", "accuracy-per-exit", "learning-rate", "speed-of-training"];
    expect([...files.keys()]).toEqual(names.flatMap((name) => ["svg", "pdf", "csv"].map((end) => `${name}.${end}`)));
    const svg = text(files.get("accuracy-per-exit.svg"));
    expect(svg).toContain(">Accuracy per exit</text>");
    expect(svg).toContain(">exit 2</text>"); // the legend
    expect(svg).toContain("#0072b2");
    expect(svg).not.toMatch(/var\(--|currentColor/);
  });

  test("CSV holds the numbers that were drawn", async () => {
    const files = await figureFiles({ evaluation: null, metrics });
    const [head, ...rows] = text(files.get("loss.csv")).trim().split("\n");
    const columns = head!.split(",");
    const [epoch, loss] = [columns.indexOf("epoch"), columns.indexOf("loss")];
    const first = rows.filter((row) => row.startsWith("1,")).map((row) => row.split(",").map(Number));
    expect(first.length).toBe(20);
    expect(first[4]![epoch]).toBeCloseTo(0.5, 12);
    expect(first[4]![loss]).toBeCloseTo(1.75, 12);
  });

  test("PDF is one page of the figure's size, the same bytes each time", async () => {
    const [once, again] = [
      await figureFiles({ evaluation: null, metrics }),
      await figureFiles({ evaluation: null, metrics }),
    ];
    const pdf = text(once.get("loss.pdf"));
    expect(pdf.startsWith("%PDF-1.")).toBe(true);
    expect(pdf.match(/\/Type \/Page\b/g)).toHaveLength(1);
    expect(pdf).toMatch(/\/MediaBox \[0 0 640 \d+\]/);
    expect(once).toEqual(again);
  });

  test("of an attached network, what was known at each cut", async () => {
    const probes = [
      { cut: "relu1", share: 0.25, accuracy: 0.5, chosen: true },
      { cut: "relu2", share: 0.75, accuracy: 0.625, chosen: false },
    ];
    const files = await figureFiles({ evaluation: null, metrics: "", probes });
    const names = ["svg", "pdf", "csv"].map((end) => `what-a-linear-probe-knows-at-each-cut.${end}`);
    expect([...files.keys()]).toEqual(names);
    expect(text(files.get(names[2]!))).toMatch(/relu2,0\.75,0\.625/);
  });

  test("several runs over each other: a line and a point for each, with its name", async () => {
    const points = [0.1, 1].map((lambda) => ({ lambda, accuracy: 0.9 - lambda / 10, costMacs: 2e6 / (1 + lambda) }));
    const run = (name: string, accuracy: number) => ({ name, points, chosen: { accuracy, costMacs: 1.5e6 } });
    const files = await curveFiles({ runs: [run("seed 1", 0.875), run("seed 2", 0.8125)], costUnit: "MACs" });
    const names = ["svg", "pdf", "csv"].map((end) => `accuracy-and-cost-of-the-runs.${end}`);
    expect([...files.keys()]).toEqual(names);
    const svg = text(files.get(names[0]!));
    for (const said of [">seed 1</text>", ">seed 2</text>", "#0072b2"]) expect(svg).toContain(said);
    expect(svg).not.toMatch(/var\(--|currentColor/);
    const rows = text(files.get(names[2]!)).trim().split("\n").slice(1);
    expect(rows).toHaveLength(2 * (2 + 2)); // two points of the line, one of the dot, one of the name
    expect(rows.filter((row) => row.includes("0.8125"))).toHaveLength(2);
  });

  test("of a sweep: costs of all settings, what the best is chosen by, and how far the others are from it", async () => {
    const row = (setting: string, accuracies: number[], isBest: boolean): SettingReport => {
      const each = { costMacs: repeated([1e6, 2e6]), savings: repeated([0.5, 0.5]), effectiveness: repeated([1, 2]) };
      const split = { ...each, accuracy: repeated(accuracies), return: repeated(accuracies) };
      const none = pairedDifference([[1, 1]]);
      const accuracy = pairedDifference(accuracies.map((one) => [one, 0.75]));
      const minusBest = { accuracy, costMacs: none, savings: none, effectiveness: none, return: none };
      return {
        setting,
        lambda: 0.1,
        seeds: [1, 2],
        test: split,
        validation: split,
        isBest,
        ...(isBest ? {} : { minusBest }),
      };
    };
    const settings = [row("epochs=1", [0.5, 0.75], false), row("epochs=2", [0.75, 0.75], true)];
    const sweep = { by: "accuracy", runs: { done: 4, of: 4 }, settings } as const;
    const files = await sweepFiles(sweep);
    const names = [
      "accuracy-and-cost-of-the-settings",
      "accuracy-on-validation-at-lambda-0-1",
      "accuracy-difference-from-the-best-at-lambda-0-1",
    ];
    expect([...files.keys()]).toEqual(names.flatMap((name) => ["svg", "pdf", "csv"].map((end) => `${name}.${end}`)));
    const [head, first] = text(files.get(`${names[2]}.csv`)).split("\n");
    expect(head).toBe("mark,setting,n,value,low,high");
    const [, setting, n, value, low, high] = first!.split(",");
    expect([setting, n, Number(value)]).toEqual(["epochs=1", "2", -0.125]);
    const half = (12.706 * 0.25) / Math.SQRT2 / Math.SQRT2; // t(1) std / sqrt(2), std = 0.25 / sqrt(2)
    expect(Number(low)).toBeCloseTo(-0.125 - half, 10);
    expect(Number(high)).toBeCloseTo(-0.125 + half, 10);
    expect(text(files.get(`${names[1]}.svg`))).toContain(">epochs=2</text>");
    expect((await sweepFiles({ ...sweep, settings: [] })).size).toBe(0);
  });

  test("nothing is drawn of nothing", async () => {
    const nothing: FigureData = { evaluation: null, metrics: "" };
    expect((await figureFiles(nothing)).size).toBe(0);
  });
});
