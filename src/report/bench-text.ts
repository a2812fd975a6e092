/** A benchmark as plain text for a terminal, at most 100 columns wide: stages, batches, and accuracy over time. */
import type { AdaptiveTime, BenchmarkFigures, TwinFigures } from "../measure/benchmark-figures.ts";
import { formatDecimal, formatLambda, formatMillions, formatPercent } from "./format.ts";
import { formatTable, wrap } from "./table.ts";
import { benchVerdict } from "./verdict.ts";

const PLOT_WIDTH = 64;
const PLOT_HEIGHT = 12;

/** What `bench` prints, the verdict first; blocks are separated by an empty line. @param all exits, stages and plot too */
export function benchText(figures: BenchmarkFigures, all: boolean): string {
  const energy = figures.full.some(({ joulesPerImage }) => joulesPerImage !== null)
    ? []
    : ["Joules cannot be read on this machine (RAPL, /sys/class/powercap)."];
  const first = [wrap(benchVerdict(figures)).join("\n")];
  const mix = [adaptiveBlock(figures), ...int8Lines(figures), ...againstLines(figures)].join("\n");
  if (!all) return [...first, mix, "(--all: each exit and stage alone, and a plot of accuracy over time)"].join("\n\n");
  return [...first, mix, `${stageBlock(figures)}${oneFileLine(figures)}`, plotBlock(figures), ...energy].join("\n\n");
}

function stageBlock(figures: BenchmarkFigures): string {
  const { threads, costs, full, stages, exits, emptyRunMs, pathOverhead, stagePathOverhead } = figures;
  const alone = stages.filter(({ batch }) => batch === 1);
  const { meanMs, p50Ms } = full.find(({ batch }) => batch === 1)!;
  const perMac = (ms: number, macs: number): number => (1e9 * ms) / macs;
  const parts = exits.map((one, k) => {
    const ms = one.meanMs - (exits[k - 1]?.meanMs ?? 0);
    const macs = costs.exitMacs[k]! - (costs.exitMacs[k - 1] ?? 0);
    return { exit: one.exit, ms, macs, perMac: perMac(ms, macs) };
  });
  const whole = perMac(meanMs, costs.fullMacs);
  const rows = exits.map((one, k) => {
    const { ms, macs, perMac } = parts[k]!;
    const times = [one.p50Ms, one.p95Ms, one.meanMs, one.mixedMs, ms, alone[k]!.p50Ms, alone[k]!.p95Ms].map(formatMs);
    return [`exit ${one.exit}`, ...times, formatMillions(macs), formatDecimal(perMac, 1)];
  });
  const fullRow = [formatMs(p50Ms), "", formatMs(meanMs), "", "", "", "", formatMillions(costs.fullMacs)];
  const slow = parts.filter((one) => one.perMac > whole);
  return [
    `One image at a time, ${threads} ${threads === 1 ? "thread" : "threads"}; milliseconds to leave at each exit.`,
    formatTable(
      [
        { title: "", align: "left" },
        { title: "median" },
        { title: "p95" },
        { title: "mean" },
        { title: "mixed" },
        { title: "its stage" },
        { title: "stage alone" },
        { title: "its p95" },
        { title: "M MACs" },
        { title: "ns/1000 MACs" },
      ],
      [...rows, ["full network", ...fullRow, formatDecimal(whole, 1)]],
    ),
    "mixed: mean among exits drawn as at the recommended lambda; its stage: what it adds to the mean of",
    "the exit before; stage alone: median as a session of its own, for batches and deadlines.",
    ...slowLines(slow.map(({ exit, perMac }) => [exit, perMac / whole])),
    `All stages one after the other: ${signedPercent(pathOverhead)} against the full network; as sessions of their own: ${signedPercent(stagePathOverhead)}.`,
    `A run that computes nothing: ${formatMs(emptyRunMs)} ms.`,
  ].join("\n");
}

/** Why less time is saved than MACs. @param slow stages and how many times the full network's time per MAC they take */
function slowLines(slow: readonly (readonly [exit: number, times: number])[]): string[] {
  if (slow.length === 0) return ["No stage takes longer per MAC than the full network."];
  const stages = slow.map(([exit, times]) => `stage ${exit} ${formatDecimal(times, 2)} times`);
  return [
    "Per MAC, less time is saved than MACs where stages take longer than the full network:",
    `${stages.join(", ")}.`,
  ];
}

/** The classifier at the same lambda stands beside it. */
function oneFileLine({ oneFile, adaptive }: BenchmarkFigures): string {
  if (!oneFile) return "";
  const beside = adaptive.find(({ batch, lambda }) => batch === 1 && lambda === oneFile.lambda);
  const classifier = beside ? `, the classifier ${formatMs(beside.meanMs)} ms` : "";
  return `\nThe one-file export at lambda ${formatLambda(oneFile.lambda)}: mean ${formatMs(oneFile.meanMs)} ms${classifier}.`;
}

function adaptiveBlock({ full, adaptive }: BenchmarkFigures): string {
  const rows = full.flatMap(({ batch, meanMs, p50Ms, cpuMsPerImage, joulesPerImage }) => [
    [
      String(batch),
      "full",
      "",
      formatMs(meanMs),
      formatMs(p50Ms),
      "",
      "",
      perSecond(1000 / meanMs),
      "",
      "",
      "",
      formatMs(cpuMsPerImage),
      formatDecimal(joulesPerImage, 4),
    ],
    ...adaptive.filter((one) => one.batch === batch).map(adaptiveRow),
  ]);
  return [
    "The real mix of test images; milliseconds, CPU time and joules per image.",
    formatTable(
      [
        { title: "batch" },
        { title: "lambda" },
        { title: "accuracy" },
        { title: "mean" },
        { title: "p50" },
        { title: "p95" },
        { title: "p99" },
        { title: "img/s" },
        { title: "MACs" },
        { title: "time" },
        { title: "pred." },
        { title: "CPU" },
        { title: "J" },
      ],
      rows,
    ),
    "MACs, time: savings against the full network, counted and measured.",
    "pred.: the time savings that exit shares promise, with the exits' times in the mix of the",
    "recommended lambda or, in batches, the stages' times.",
  ].join("\n");
}

/** The twin in 8 bits beside the float full network, at its recommended lambda. */
function int8Lines({ int8 }: BenchmarkFigures): string[] {
  if (!int8) return [];
  const times = (factor: number): string => `${formatDecimal(factor, 2)} times`;
  const full = int8.full.map(({ batch, speedup }) => `${times(speedup)} at batch ${batch}`);
  const rows = int8.adaptive.filter(({ recommended }) => recommended);
  const adaptive = rows.map(({ batch, overFloatFull }) => `${times(overFloatFull)} at batch ${batch}`);
  const [first] = rows;
  const beside =
    first?.floatAccuracy == null
      ? ""
      : ` (float at as many MACs ${formatPercent(first.floatAccuracy)}${pointsOf(first)})`;
  return [
    "",
    "In 8 bits, in the same turns; images/s over those of the float full network:",
    `full network ${full.join(", ")};`,
    ...(first
      ? [
          `adaptive at lambda ${formatLambda(first.lambda)} ${adaptive.join(", ")};`,
          `accuracy ${formatPercent(first.accuracy)}${beside};`,
        ]
      : []),
    `at every exit at least ${formatPercent(int8.agreement)} of the images get the class of the float network;`,
    `all stages one after the other: ${signedPercent(int8.pathOverhead)} against the full network in 8 bits.`,
  ];
}

/** Of the difference, in percentage points. */
function pointsOf({ difference }: TwinFigures["adaptive"][number]): string {
  if (!difference) return "";
  const [low, high] = difference.interval.map((one) => `${one < 0 ? "" : "+"}${(100 * one).toFixed(2)}`);
  return `; difference 95% ${low} to ${high} points`;
}

function againstLines({ against, oneFile, adaptive }: BenchmarkFigures): string[] {
  return against.map(({ name, batch, meanMs }) => {
    const beside = adaptive.find((one) => one.batch === batch && one.lambda === oneFile?.lambda);
    const ratio = beside ? `, the recommended lambda ${formatDecimal(meanMs / beside.meanMs, 2)} times as many` : "";
    return `All of ${name} at batch ${batch}: mean ${formatMs(meanMs)} ms, ${perSecond(1000 / meanMs)} images/s${ratio}.`;
  });
}

function adaptiveRow(one: AdaptiveTime): string[] {
  return [
    String(one.batch),
    formatLambda(one.lambda),
    formatPercent(one.accuracy),
    ...[one.meanMs, one.p50Ms, one.p95Ms, one.p99Ms].map(formatMs),
    perSecond(one.imagesPerSecond),
    formatPercent(one.macSavings),
    formatPercent(one.timeSavings),
    formatPercent(one.predictedTimeSavings),
    formatMs(one.cpuMsPerImage),
    formatDecimal(one.joulesPerImage, 4),
  ];
}

/** Accuracy against mean time at batch 1: one letter per lambda, and a line where the full network stands. */
function plotBlock({ full, adaptive }: BenchmarkFigures): string {
  const points = adaptive.filter(({ batch }) => batch === 1);
  const fullMs = full.find(({ batch }) => batch === 1)!.meanMs;
  const right = Math.max(fullMs, ...points.map(({ meanMs }) => meanMs)) * 1.05;
  const [low, high] = limits(points.map(({ accuracy }) => accuracy));
  const grid = Array.from({ length: PLOT_HEIGHT }, () => new Array<string>(PLOT_WIDTH).fill(" "));
  const column = (ms: number): number => Math.min(PLOT_WIDTH - 1, Math.floor((ms / right) * PLOT_WIDTH));
  for (const row of grid) row[column(fullMs)] = "|";
  for (const [i, { meanMs, accuracy }] of points.entries()) {
    const row = Math.round(((high - accuracy) / (high - low)) * (PLOT_HEIGHT - 1));
    grid[row]![column(meanMs)] = letter(i);
  }
  const label = (i: number): string =>
    i === 0 ? formatPercent(high) : i === PLOT_HEIGHT - 1 ? formatPercent(low) : "";
  const legend = points.map(({ lambda }, i) => `${letter(i)} ${formatLambda(lambda)}`).join(", ");
  return [
    `Accuracy against milliseconds per image; lambda ${legend}; | full network`,
    ...grid.map((row, i) => `${label(i).padStart(7)} |${row.join("").trimEnd()}`),
    `${" ".repeat(8)}+${"-".repeat(PLOT_WIDTH)}`,
    `${" ".repeat(9)}0${formatMs(right).padStart(PLOT_WIDTH - 1)}`,
  ].join("\n");
}

/** Accuracies in whole percents around the points. */
function limits(values: readonly number[]): [low: number, high: number] {
  const low = Math.floor(100 * Math.min(...values)) / 100;
  const high = Math.ceil(100 * Math.max(...values)) / 100;
  return low < high ? [low, high] : [low - 0.01, high + 0.01];
}

function letter(i: number): string {
  return String.fromCharCode("a".charCodeAt(0) + (i % 26));
}

/** Three digits that count: 0.0412, 1.27, 13.6. */
function formatMs(ms: number): string {
  return ms.toFixed(ms < 0.1 ? 4 : ms < 1 ? 3 : ms < 10 ? 2 : 1);
}

function perSecond(images: number): string {
  return Math.round(images).toLocaleString("en-US");
}

function signedPercent(share: number): string {
  return `${share < 0 ? "" : "+"}${formatPercent(share)}`;
}
