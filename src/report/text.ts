/**
 * An evaluation as plain text for a terminal, at most 100 columns wide: the verdict, exits, the figures as a whole, yardsticks; with
 * `all` also differences, thresholds, classes and, for CIFAR-10, the published experiment. One function per block, in the order of the page.
 */
import type { Difference, YardstickFigures } from "../evaluation/comparison.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";
import { returnAt } from "../evaluation/outcome.ts";
import { isCifar10Test, PUBLISHED } from "../evaluation/published.ts";
import {
  costScale,
  formatCount,
  formatDecimal,
  formatDifference,
  formatLambda,
  formatMacs,
  formatMillions,
  formatPercent,
  formatPercentInterval,
} from "./format.ts";
import { isFixedExit, policyName } from "./names.ts";
import { type Column, clip, formatTable, wrap } from "./table.ts";
import { verdict } from "./verdict.ts";

/** With more classes than this, only the hardest are printed. */
const MANY_CLASSES = 20;
const HARDEST = 10;
/** With more exits than this, a class's exit shares do not fit beside its accuracy. */
const MANY_EXITS = 5;
const NAME_WIDTH = 20;
const YARDSTICK_WIDTH = 28;
const HASH_WIDTH = 12;
const MACS = "MACs";
/** Classes are called uneven where one has more than so many times the images of another. */
const UNEVEN = 1.5;

export interface TextOptions {
  /** Everything, where else there is what fits one screen; default false. */
  readonly all?: boolean;
}

/**
 * What `run` and `evaluate` print, the verdict first; blocks are separated by an empty line, and no line end follows the last.
 */
export function reportText(figures: EvaluationFigures, { all = false }: TextOptions = {}): string {
  const blocks = [
    wrap(verdict(figures)).join("\n"),
    origin(figures),
    exitBlock(figures, all),
    summaryBlock(figures, all),
    ...withoutExitsBlock(figures),
    yardstickBlock(figures),
  ];
  if (!all) return [...blocks, "(--all: calibration, classes, thresholds, differences one by one)"].join("\n\n");
  blocks.push(differenceBlock(figures), ...fittedBlock(figures), classBlock(figures));
  const isCounted = (figures.costUnit ?? MACS) === MACS; // what was published is in MACs
  if (isCounted && isCifar10Test(figures.dataset.split, figures.classes)) blocks.push(publishedBlock(figures));
  return blocks.filter((block) => block !== "").join("\n\n");
}

/** Somebody else's network as it came and refitted, and what is to be known; nothing for a network of ours. */
function withoutExitsBlock({ original, adapted, notes = [] }: EvaluationFigures): string[] {
  if (!original || !adapted) return [];
  const own =
    original.accuracy === null
      ? "not known here (it tells other classes apart, or was tuned)"
      : formatPercent(original.accuracy, 2);
  return [
    [
      `as it came:      ${own}, ${formatMacs(original.costMacs)}`,
      `without exits:   ${formatPercent(adapted.accuracy, 2)}, ${formatMacs(adapted.costMacs)} (its last exit, always)`,
      ...notes.map((note) => `note: ${note}`),
    ].join("\n"),
  ];
}

function origin({ dataset, samples, policy, version }: EvaluationFigures): string {
  const name = clip(dataset.name, NAME_WIDTH);
  return [
    `${name}, ${dataset.split} split: ${formatCount(samples)} images (sha256 ${dataset.sha256.slice(0, HASH_WIDTH)})`,
    `decided by ${clip(policyName(policy.name), YARDSTICK_WIDTH)} at lambda ${formatLambda(policy.lambda)}; learned with seed ${policy.seed}; earlyexit ${version}`,
  ].join("\n");
}

function exitBlock({ exits, costUnit = MACS }: EvaluationFigures, all: boolean): string {
  const { heading, text } = costScale(
    costUnit,
    exits.map(({ costMacs }) => costMacs),
  );
  const calibration = ["mean confidence", "std", "ECE", "unscaled"].map((title) => ({ title }));
  return formatTable(
    [
      { title: "exit", align: "left" },
      { title: "share" },
      { title: "accuracy" },
      { title: "if always" },
      { title: `cost (${heading})` },
      ...(all ? calibration : []),
    ],
    exits.map((exit) => [
      String(exit.exit),
      formatPercent(exit.share),
      formatPercent(exit.accuracy),
      formatPercent(exit.accuracyIfAlways),
      text(exit.costMacs),
      ...(all
        ? [exit.meanConfidence, exit.stdConfidence, exit.ece, exit.eceUnscaled].map((one) => formatDecimal(one, 3))
        : []),
    ]),
  );
}

function summaryBlock(figures: EvaluationFigures, all: boolean): string {
  const { accuracy, costMacs, savings, effectiveness, depthSavings, depthEffectiveness, intervals, exits } = figures;
  const { heading, text } = costScale(figures.costUnit ?? MACS, [costMacs.full]);
  const [worst, best] = intervals.effectiveness;
  const between = intervals.costMacs.map(text).join(" to ");
  const depth = `published definition: exit 1 of ${exits.length} saves 100%`;
  const published = [
    ["depth savings", formatPercent(depthSavings), "", depth],
    ["depth effectiveness", formatDecimal(depthEffectiveness, 2), "", "published definition: with depth savings"],
  ];
  return formatTable(
    [
      { title: "", align: "left" },
      { title: "" },
      { title: "95% interval", align: "left" },
      { title: "", align: "left" },
    ],
    [
      ["accuracy", formatPercent(accuracy, 2), formatPercentInterval(intervals.accuracy, 2), balanced(figures)],
      ["mean cost", `${text(costMacs.mean)} ${heading}`, between, `of ${text(costMacs.full)} ${heading} in full`],
      ["savings", formatPercent(savings), formatPercentInterval(intervals.savings), "1 - mean cost / full cost"],
      [
        "effectiveness",
        formatDecimal(effectiveness, 2),
        `${formatDecimal(worst, 2)} to ${formatDecimal(best, 2)}`,
        "accuracy in percent x savings",
      ],
      ...(all ? published : []),
    ],
  );
}

/** Where classes are uneven: the mean of their accuracies, which the large ones do not decide. */
function balanced({ classes, balancedAccuracy }: EvaluationFigures): string {
  const counts = classes.map(({ samples }) => samples).filter((count) => count > 0);
  return Math.max(...counts) > UNEVEN * Math.min(...counts)
    ? `balanced: ${formatPercent(balancedAccuracy, 2)}, the mean of ${counts.length} uneven classes`
    : "";
}

function classBlock({ classes, exits }: EvaluationFigures): string {
  const many = classes.length > MANY_CLASSES;
  const shown = many
    ? [...classes].sort((a, b) => (a.accuracy ?? Infinity) - (b.accuracy ?? Infinity)).slice(0, HARDEST)
    : classes;
  const columns: Column[] = [
    { title: "class", align: "left" },
    { title: "images" },
    { title: "accuracy" },
    { title: "95% interval" },
    { title: `always exit ${exits.length}` },
  ];
  const withShares = exits.length <= MANY_EXITS;
  if (withShares) columns.push({ title: "exit shares (%)" });
  const table = formatTable(
    columns,
    shown.map((one) => {
      const cells = [
        clip(one.name, NAME_WIDTH),
        formatCount(one.samples),
        formatPercent(one.accuracy),
        formatPercentInterval(one.accuracyInterval),
        formatPercent(one.accuracyIfAlways && one.accuracyIfAlways.at(-1)!),
      ];
      return withShares ? [...cells, one.exitShares ? shareList(one.exitShares) : "-"] : cells;
    }),
  );
  return many ? `${table}\nThe ${HARDEST} hardest of ${classes.length} classes; --json lists all.` : table;
}

/** The policy and what it is compared with, the best return first. */
function yardstickBlock(figures: EvaluationFigures): string {
  const { policy, exits, yardsticks, costUnit = MACS, costMacs } = figures;
  const rows = withPolicy(figures).sort((a, b) => b.return - a.return);
  const bestFixed = rows.find(({ name }) => isFixedExit(name))?.name;
  const { heading, text } = costScale(costUnit, [costMacs.full, exits.at(-1)!.costMacs]);
  const mark = (name: string): string => (name === policy.name ? "* " : name === bestFixed ? "+ " : "  "); // in front, so that names stay in one column
  const legend = [
    "* decided here",
    ...(bestFixed ? ["+ the best fixed exit"] : []),
    ...(yardsticks.some(({ minusAgent }) => minusAgent) ? ["minus agent: returns, on the same images"] : []),
  ];
  const table = formatTable(
    [
      { title: "  policy", align: "left" },
      { title: "accuracy" },
      { title: "savings" },
      { title: `cost (${heading})` },
      { title: "return" },
      { title: "minus agent [95%]" },
    ],
    rows.map((row) => [
      `${mark(row.name)}${clip(policyName(row.name), YARDSTICK_WIDTH)}`,
      formatPercent(row.accuracy, 2),
      formatPercent(row.savings),
      text(row.costMacs),
      formatDecimal(row.return, 4),
      formatDifference(row.minusAgent?.return, 4),
    ]),
  );
  return `${table}\n${legend.join("; ")}.\nReturn: accuracy - lambda x mean cost / cost of the last exit, at lambda ${formatLambda(policy.lambda)}.`;
}

/** All policies; the one that decided is added where it is none of the yardsticks. */
function withPolicy({ policy, accuracy, savings, costMacs, exits, yardsticks }: EvaluationFigures): YardstickFigures[] {
  if (yardsticks.some(({ name }) => name === policy.name)) return [...yardsticks];
  const own = { accuracy, costMacs: costMacs.mean };
  const worth = returnAt(policy.lambda, own, exits.at(-1)!.costMacs);
  return [{ name: policy.name, ...own, savings, return: worth }, ...yardsticks];
}

/** Accuracy and savings apart, in points. */
function differenceBlock({ yardsticks }: EvaluationFigures): string {
  const compared = yardsticks.flatMap(({ name, minusAgent }) => (minusAgent ? [{ name, minusAgent }] : []));
  if (compared.length === 0) return "";
  return formatTable(
    [{ title: "minus agent [95%], in points", align: "left" }, { title: "accuracy" }, { title: "savings" }],
    compared.map(({ name, minusAgent }) => [
      clip(policyName(name), YARDSTICK_WIDTH),
      formatDifference(inPoints(minusAgent.accuracy), 2),
      formatDifference(inPoints(minusAgent.savings), 1),
    ]),
  );
}

function inPoints({ value, interval: [low, high] }: Difference): Difference {
  return { value: 100 * value, interval: [100 * low, 100 * high] };
}

/** What a baseline is built from again. */
function fittedBlock({ yardsticks, policy }: EvaluationFigures): string[] {
  const rows = yardsticks.flatMap(({ name, fitted }) =>
    Object.entries(fitted ?? {}).map(([what, values]) => [
      clip(policyName(name), YARDSTICK_WIDTH),
      what,
      [values].flat().map(formatSetting).join(", "),
    ]),
  );
  if (rows.length === 0) return [];
  const columns = [`fitted at lambda ${formatLambda(policy.lambda)}`, "", "exit 1, 2, ..."].map((title) => ({
    title,
    align: "left" as const,
  }));
  return [formatTable(columns, rows)];
}

/** A threshold; those beyond any score are reached always or never, whichever way the score runs. */
function formatSetting(value: number): string {
  return Math.abs(value) >= 1e9 ? (value > 0 ? "+inf" : "-inf") : String(Number(value.toPrecision(5)));
}

function publishedBlock(figures: EvaluationFigures): string {
  const { accuracy, costMacs, savings, depthSavings, depthEffectiveness, exits, classes } = figures;
  const rows = [
    ["accuracy", formatPercent(accuracy, 2), formatPercent(PUBLISHED.accuracy, 2)],
    ["mean cost (M MACs)", formatMillions(costMacs.mean), formatMillions(PUBLISHED.costMacs.mean)],
    ["savings", formatPercent(savings), formatPercent(PUBLISHED.savings)],
    ["depth savings", formatPercent(depthSavings), formatPercent(PUBLISHED.depthSavings)],
    ["depth effectiveness", formatDecimal(depthEffectiveness, 2), formatDecimal(PUBLISHED.depthEffectiveness, 2)],
    ["exit shares (%)", shareList(exits.map(({ share }) => share)), shareList(PUBLISHED.exitShares)],
    ...PUBLISHED.classes.map((published) => [
      published.name,
      formatPercent(classes.find(({ name }) => name === published.name)!.accuracy),
      formatPercent(published.accuracy),
    ]),
  ];
  return [
    formatTable([{ title: "", align: "left" }, { title: "here" }, { title: "published" }], rows),
    "The published figures were measured on the original CIFAR-10 images; on images that went through",
    "JPEG (quality 75) expect about three points less accuracy. Its mean cost and savings are worked",
    "out from its exit shares: what it called compute savings are the depth savings.",
  ].join("\n");
}

/** [E] shares as "4.8 / 37.5 / 30.3 / 27.4" */
function shareList(shares: readonly number[]): string {
  return shares.map((share) => (100 * share).toFixed(1)).join(" / ");
}
