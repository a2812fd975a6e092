/** The figures of `bench:policy` as Markdown, and whether what is claimed holds. */
import type { VariantFigures } from "./policy-ablation.ts";
import type { DecideMicros } from "./policy-timing.ts";
import type { Verdict } from "./policy-verdict.ts";

export type PolicyBench = Verdict & { readonly deciding: DecideMicros };

export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return [titles, titles.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const four = (value: number): string => value.toFixed(4);
const signed = (value: number): string => `${value < 0 ? "" : "+"}${four(value)}`;
const between = ([low, high]: readonly [number, number]): string => `${signed(low)} to ${signed(high)}`;

export function verdictText(figures: PolicyBench, seeds: readonly number[]): string {
  const rows = figures.networks.map((one) => [
    one.name,
    String(one.images),
    four(one.agent),
    four(one.thresholds),
    one.optimal === null ? "-" : four(one.optimal),
    four(one.fixed),
    `${signed(one.difference)} (${between(one.interval)})`,
    `${one.learnSeconds.toFixed(1)} s`,
  ]);
  return [
    `Mean R = accuracy - lambda * cost share over lambdas and ${seeds.length} seeds; every image judged by what was fitted to other folds.`,
    "",
    markdownTable(
      [
        "network",
        "images",
        "agent",
        "best thresholds",
        "optimal stopping",
        "best fixed",
        "agent - thresholds (95%)",
        "one agent",
      ],
      rows,
    ),
    "",
    ...claims(figures).map(({ text, holds }) => `- ${holds ? "holds" : "MISSED"}: ${text}`),
  ].join("\n");
}

export interface Claim {
  readonly text: string;
  readonly holds: boolean;
}

/** What is claimed of the agent, with the figures that say whether it is so. */
export function claims({ difference, interval, gain, networks, deciding }: PolicyBench): Claim[] {
  const slowest = Math.max(...networks.map(({ learnSeconds }) => learnSeconds));
  return [
    {
      text: `verdict: R(agent) - R(best tuned thresholds) is ${signed(difference)} (95% ${between(interval)}); wanted: above 0, the interval above -0.001`,
      holds: difference > 0 && interval[0] > -0.001,
    },
    ...(gain === null
      ? []
      : [
          {
            text: `the gain over the best fixed exit is ${gain.toFixed(3)} of optimal stopping's; wanted: at least 0.98`,
            holds: gain >= 0.98,
          },
        ]),
    { text: `one agent learns in less than 30 s: ${slowest.toFixed(1)} s`, holds: slowest < 30 },
    { text: `deciding takes less than 20 us for one image: ${deciding.one.toFixed(1)} us`, holds: deciding.one < 20 },
    {
      text: `and less than 1 us an image at batch 256: by itself ${deciding.alone.batch256.toFixed(2)} us`,
      holds: deciding.alone.batch256 < 1,
    },
  ];
}

export function ablationText(figures: readonly VariantFigures[], seeds: readonly number[]): string {
  return [
    `Mean held-out return over nine lambdas and ${seeds.length} seeds, each with a split of validation of its own.`,
    "",
    markdownTable(
      ["variant", "return", "difference", "std over seeds"],
      figures.map(({ name, mean, difference, std }) => [name, four(mean), signed(difference), four(std)]),
    ),
  ].join("\n");
}
