/** The model card: what a model was made from, how good it is, what it cannot do. Markdown, one function per section. */
import { z } from "zod";
import { pictureOf, type StagedNetwork } from "../network/staged-network.ts";
import type { LambdaPoint } from "../policy/lambda-calibration.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { formatLambda, formatMacs, formatPercent } from "../report/format.ts";
import { VERSION } from "../version.ts";
import type { Manifest } from "./manifest.ts";

/** Rows of the table of lambdas. */
const LAMBDAS_SHOWN = 7;

/** The part of `evaluate --json` that the card shows. */
const figuresSchema = z.object({
  samples: z.number(),
  accuracy: z.number(),
  costMacs: z.object({ mean: z.number(), full: z.number() }),
  savings: z.number(),
  policy: z.object({ name: z.string(), lambda: z.number() }),
  dataset: z.object({ name: z.string(), split: z.string(), sha256: z.string() }),
  original: z.object({ accuracy: z.number().nullable(), costMacs: z.number() }).optional(),
  adapted: z.object({ accuracy: z.number(), costMacs: z.number() }).optional(),
  notes: z.array(z.string()).optional(),
  exits: z.array(z.object({ exit: z.number(), share: z.number(), accuracyIfAlways: z.number() })),
});

/** @param figures what `evaluate --json` printed, if anything */
export function modelCard(network: StagedNetwork, policy: LearnedPolicy, manifest: Manifest, figures: unknown): string {
  const { name, stages, classes, provenance } = network;
  const sections = [
    `# Model card: ${name}, ${stages.length} exits, ${classes.length} classes`,
    "A convolutional network that stops computing as soon as an answer is worth no further cost. A small network, learned by " +
      "reinforcement (DQN), decides after each stage but the last; one number, lambda, sets how much computing may cost.",
    trainingData(provenance),
    measured(figures),
    dial(policy, manifest),
    limits(network, manifest),
    ...eightBits(network),
    `## Runtime\n\nONNX Runtime ${manifest.leastRuntime} and later: standard operators of opset ${manifest.opset}.`,
    `## Licence and version\n\n${licence(network)} Written by earlyexit ${VERSION}; trained by earlyexit ${provenance.version}, seed ${provenance.seed}.`,
  ];
  return `${sections.join("\n\n")}\n`;
}

/** Somebody else's network keeps its own. */
function licence({ original }: StagedNetwork): string {
  return original
    ? "The weights of the network as it came stay under its own licence, which its file does not say."
    : "MIT.";
}

function trainingData({ dataset }: StagedNetwork["provenance"]): string {
  const hashes = Object.entries(dataset.sha256).map(([split, sha256]) => [split, `\`${sha256}\``]);
  return `## Data\n\nDataset: ${dataset.name}. SHA-256 over the labels and pixels of each split:\n\n${table(["split", "SHA-256"], hashes)}`;
}

function measured(figures: unknown): string {
  const { success, data } = figuresSchema.safeParse(figures);
  if (!success)
    return "## Figures\n\nNone are stored in this model: `earlyexit evaluate --save` makes them and stores them.";
  const { samples, accuracy, costMacs, savings, policy, dataset, exits, original, adapted, notes = [] } = data;
  const came =
    original &&
    (original.accuracy === null
      ? "not known here (it tells other classes apart, or was tuned)"
      : formatPercent(original.accuracy, 2));
  const rows = exits.map(({ exit, share, accuracyIfAlways }) => [
    String(exit),
    formatPercent(share),
    formatPercent(accuracyIfAlways, 2),
  ]);
  return [
    "## Figures",
    `On ${samples} images of ${dataset.name}, ${dataset.split} split (SHA-256 \`${dataset.sha256}\`), policy ${policy.name} at lambda ` +
      `${formatLambda(policy.lambda)}: accuracy ${formatPercent(accuracy, 2)}, mean cost ${formatMacs(costMacs.mean)} of ` +
      `${formatMacs(costMacs.full)} in full, savings ${formatPercent(savings)}.`,
    ...(original && adapted
      ? [
          `The network as it came: ${came} at ${formatMacs(original.costMacs)}; without exits, its last one always: ` +
            `${formatPercent(adapted.accuracy, 2)} at ${formatMacs(adapted.costMacs)}.`,
        ]
      : []),
    ...notes.map((note) => `**Note:** ${note}.`),
    table(["exit", "share of the images", "accuracy if every image left here"], rows),
  ].join("\n\n");
}

/** What each lambda does, on images that the agent was selected on. */
function dial({ calibration }: LearnedPolicy, { lambda, costs }: Manifest): string {
  const step = Math.max(1, (calibration.length - 1) / (LAMBDAS_SHOWN - 1));
  const shown = new Set<LambdaPoint>();
  for (let i = 0; i <= calibration.length - 1 + 1e-9; i += step) shown.add(calibration[Math.round(i)]!);
  const rows = [...shown].map((point) => [
    formatLambda(point.lambda),
    formatPercent(point.accuracy, 2),
    formatMacs(point.meanMacs),
    formatPercent(point.savings),
  ]);
  return [
    "## Lambda",
    `Recommended: ${formatLambda(lambda.recommended)}. The agent was trained for ${formatLambda(lambda.from)} to ${formatLambda(lambda.to)}. ` +
      "Lambda is the price of the full network in units of one correct answer: a larger one leaves earlier and is right less often.",
    ...(rows.length > 0
      ? [
          "On validation images, each judged by an agent that did not learn from it:",
          table(["lambda", "accuracy", "mean cost", "savings"], rows),
        ]
      : []),
    `Cost of leaving at each exit: ${costs.exitMacs.map(formatMacs).join(", ")}; without any exits: ${formatMacs(costs.fullMacs)}.`,
  ].join("\n\n");
}

/** How it is rounded, and where its answers hold. */
function eightBits({ precision, description }: StagedNetwork): string[] {
  if (precision !== "int8") return [];
  const { weightBits } = description.rounding as { weightBits: number };
  const agree =
    weightBits === 7
      ? "No sum of two products can then leave 16 bits, so that processors with and without instructions for 8 bits (VNNI) add up alike; " +
        "it was run on one with them."
      : "Processors without instructions for 8 bits (VNNI) may let sums of two products saturate, and then answer otherwise.";
  return [
    `## Eight bits\n\nConvolutions are computed in integers: weights of ${weightBits} bits, activations of 8. ${agree} ` +
      "Activations between convolutions, heads and decisions are floats, whose last digits differ from processor to processor: a step of " +
      "1 in 256 may then fall to the other side.",
  ];
}

function limits(network: StagedNetwork, { precise }: Manifest): string {
  const { classes, provenance } = network;
  const [channels, height, width] = pictureOf(network).shape;
  const lines = [
    ...(precise
      ? [
          `An answer less sure than ${formatPercent(precise.least, 2)} is marked \`unsure\`: then no class is to be named. That a picture shows ` +
            "none of the classes it may still not notice.",
        ]
      : []),
    `It answers one of its ${classes.length} classes whatever the picture shows: ${classes.join(", ")}.`,
    `It was trained on pictures of ${height}x${width} pixels and ${channels} channels. Larger ones must be scaled down to that first; what is lost then cannot be seen.`,
    `Figures hold for pictures like those of ${provenance.dataset.name}, and for no others.`,
    "Probabilities are calibrated on the validation split; on other pictures they may be too high.",
    "Cost counts multiply-accumulates; time depends on the device.",
    "Not examined for fairness, for attacks, or for uses in which a wrong answer does harm.",
  ];
  return `## Limits\n\n${lines.map((line) => `- ${line}`).join("\n")}`;
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}
