/**
 * An evaluation as plain text for a terminal, at most 100 columns wide: exits, the figures as a whole, classes, yardsticks
 * and, for CIFAR-10, the published experiment. One function per block, in the order of the page.
 */
import type { EvaluationFigures } from "../evaluation/figures.ts";
import { returnAt } from "../evaluation/outcome.ts";
import { isCifar10, PUBLISHED } from "../evaluation/published.ts";
import {
  costHeading,
  formatCost,
  formatCostNumber,
  formatCount,
  formatDecimal,
  formatLambda,
  formatMillions,
  formatPercent,
  formatPercentInterval,
} from "./format.ts";
import { type Column, clip, formatTable } from "./table.ts";

/** With more classes than this, only the hardest are printed. */
const MANY_CLASSES = 20;
const HARDEST = 10;
/** With more exits than this, a class's exit shares do not fit beside its accuracy. */
const MANY_EXITS = 5;
const NAME_WIDTH = 20;
const YARDSTICK_WIDTH = 36;
const HASH_WIDTH = 12;
const MACS = "MACs";

/** What `run` and `evaluate` print; blocks are separated by an empty line, and no line end follows the last. */
export function reportText(figures: EvaluationFigures): string {
  const blocks = [
    origin(figures),
    exitBlock(figures),
    summaryBlock(figures),
    classBlock(figures),
    yardstickBlock(figures),
  ];
  const isCounted = (figures.costUnit ?? MACS) === MACS; // what was published is in MACs
  if (isCounted && isCifar10(figures.classes.map(({ name }) => name))) blocks.push(publishedBlock(figures));
  return blocks.join("\n\n");
}

function origin({ dataset, samples, policy, seed, version }: EvaluationFigures): string {
  const name = clip(dataset.name, NAME_WIDTH);
  return [
    `${name}, ${dataset.split} split: ${formatCount(samples)} images (sha256 ${dataset.sha256.slice(0, HASH_WIDTH)})`,
    `policy ${clip(policy.name, YARDSTICK_WIDTH)} at lambda ${formatLambda(policy.lambda)}; seed ${seed}, earlyexit ${version}`,
  ].join("\n");
}

function exitBlock({ exits, costUnit = MACS }: EvaluationFigures): string {
  return formatTable(
    [
      { title: "exit", align: "left" },
      { title: "share" },
      { title: "accuracy" },
      { title: "if always" },
      { title: `cost (${costHeading(costUnit)})` },
      { title: "mean confidence" },
      { title: "std" },
      { title: "ECE" },
      { title: "unscaled" },
    ],
    exits.map((exit) => [
      String(exit.exit),
      formatPercent(exit.share),
      formatPercent(exit.accuracy),
      formatPercent(exit.accuracyIfAlways),
      formatCostNumber(exit.costMacs, costUnit),
      formatDecimal(exit.meanConfidence, 3),
      formatDecimal(exit.stdConfidence, 3),
      formatDecimal(exit.ece, 3),
      formatDecimal(exit.eceUnscaled, 3),
    ]),
  );
}

function summaryBlock(figures: EvaluationFigures): string {
  const { accuracy, costMacs, savings, effectiveness, depthSavings, depthEffectiveness, intervals, exits } = figures;
  const { costUnit = MACS } = figures;
  const [low, high] = intervals.costMacs;
  const [worst, best] = intervals.effectiveness;
  const full = `of ${formatCost(costMacs.full, costUnit)} in full`;
  const between = [low, high].map((cost) => formatCostNumber(cost, costUnit)).join(" to ");
  const depth = `published definition: exit 1 of ${exits.length} saves 100%`;
  return formatTable(
    [
      { title: "", align: "left" },
      { title: "" },
      { title: "95% interval", align: "left" },
      { title: "", align: "left" },
    ],
    [
      ["accuracy", formatPercent(accuracy, 2), formatPercentInterval(intervals.accuracy, 2), ""],
      ["mean cost", formatCost(costMacs.mean, costUnit), between, full],
      ["savings", formatPercent(savings), formatPercentInterval(intervals.savings), "1 - mean cost / full cost"],
      [
        "effectiveness",
        formatDecimal(effectiveness, 2),
        `${formatDecimal(worst, 2)} to ${formatDecimal(best, 2)}`,
        "accuracy in percent x savings",
      ],
      ["depth savings", formatPercent(depthSavings), "", depth],
      ["depth effectiveness", formatDecimal(depthEffectiveness, 2), "", "published definition: with depth savings"],
    ],
  );
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

/** The policy first, then what it is to be compared with. */
function yardstickBlock(figures: EvaluationFigures): string {
  const { policy, accuracy, savings, costMacs, exits, yardsticks, costUnit = MACS } = figures;
  const own = { accuracy, costMacs: costMacs.mean };
  const rows = [
    { name: policy.name, ...own, savings, return: returnAt(policy.lambda, own, exits.at(-1)!.costMacs) },
    ...yardsticks.filter(({ name }) => name !== policy.name),
  ];
  return formatTable(
    [
      { title: "policy", align: "left" },
      { title: "accuracy" },
      { title: "savings" },
      { title: `cost (${costHeading(costUnit)})` },
      { title: `return at lambda ${formatLambda(policy.lambda)}` },
    ],
    rows.map((row) => [
      clip(row.name, YARDSTICK_WIDTH),
      formatPercent(row.accuracy, 2),
      formatPercent(row.savings),
      formatCostNumber(row.costMacs, costUnit),
      formatDecimal(row.return, 4),
    ]),
  );
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
