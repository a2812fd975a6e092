import { describe, expect, test } from "vitest";
import type { EvaluationFigures } from "../../src/evaluation/figures.ts";
import { reportText } from "../../src/report/text.ts";
import { MADE_UP, oneClass } from "./made-up-figures.ts";

const CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const cifar10: EvaluationFigures = {
  ...MADE_UP,
  classes: CIFAR10.map((name, i) => oneClass(name, 0.85 + i / 100)),
  dataset: { ...MADE_UP.dataset, name: "cifar10" },
};

describe("reportText", () => {
  test("of made-up figures", () => {
    expect(reportText(MADE_UP)).toMatchInlineSnapshot(`
      "drawings, test split: 5,000 images (sha256 00ff)
      policy dqn at lambda 0.1; seed 7, earlyexit 0.1.0

      exit  share  accuracy  if always  cost (M MACs)  mean confidence    std    ECE  unscaled
      1     30.0%     97.0%      71.0%           39.5            0.910  0.072  0.012     0.024
      2     70.0%     85.4%      86.0%          124.2            0.910  0.072  0.008     0.016
      3      0.0%         -      89.5%          209.4                -      -  0.030     0.060

                                        95% interval
      accuracy                  88.90%  88.02 to 89.76%
      mean cost            98.8 M MACs  97.0 to 100.5    of 200.0 M MACs in full
      savings                    50.6%  49.8 to 51.5%    1 - mean cost / full cost
      effectiveness              45.00  44.10 to 45.90   accuracy in percent x savings
      depth savings              55.0%                   published definition: exit 1 of 3 saves 100%
      depth effectiveness        48.90                   published definition: with depth savings

      class   images  accuracy   95% interval  always exit 3    exit shares (%)
      circle   2,500     95.0%  94.0 to 95.8%          90.0%  25.0 / 75.0 / 0.0
      square       0         -              -              -                  -

      policy  accuracy  savings  cost (M MACs)  return at lambda 0.1
      dqn       88.90%    50.6%           98.8                0.8418
      oracle    94.00%    61.0%           78.0                0.9027
      exit:1    71.00%    80.3%           39.5                0.6911"
    `);
  });

  test("of CIFAR-10 ends in the published experiment", () => {
    const text = reportText(cifar10);
    expect(text.slice(text.indexOf("\n\n", text.indexOf("oracle")) + 2)).toMatchInlineSnapshot(`
      "                                  here                 published
      accuracy                        88.90%                    88.77%
      mean cost (M MACs)                98.8                     141.6
      savings                          50.6%                     32.4%
      depth savings                    55.0%                     39.9%
      depth effectiveness              48.90                     35.38
      exit shares (%)      30.0 / 70.0 / 0.0  4.8 / 37.5 / 30.3 / 27.4
      ship                             93.0%                     94.3%
      automobile                       86.0%                     94.2%
      truck                            94.0%                     93.7%
      cat                              88.0%                     80.3%
      bird                             87.0%                     80.0%
      dog                              90.0%                     78.4%
      The published figures were measured on the original CIFAR-10 images; on images that went through
      JPEG (quality 75) expect about three points less accuracy. Its mean cost and savings are worked
      out from its exit shares: what it called compute savings are the depth savings."
    `);
    expect(reportText(MADE_UP)).not.toContain("CIFAR-10");
  });

  test("of many classes prints the hardest only", () => {
    const classes = Array.from({ length: 100 }, (_, i) => oneClass(`class ${i}`, 0.9 - (i % 50) / 100));
    const text = reportText({ ...MADE_UP, classes });
    expect(text.match(/^class \d+/gm)).toEqual([49, 99, 48, 98, 47, 97, 46, 96, 45, 95].map((i) => `class ${i}`));
    expect(text).toContain("The 10 hardest of 100 classes; --json lists all.");
  });

  test("fits 100 columns, whatever the names and however many exits", () => {
    const long = "a name that is much longer than a column of a table should ever have to be, truly";
    const wide: EvaluationFigures = {
      ...cifar10,
      exits: Array.from({ length: 8 }, (_, i) => ({ ...MADE_UP.exits[0]!, exit: i + 1, costMacs: 123_456e6 })),
      yardsticks: [{ ...MADE_UP.yardsticks[0]!, name: long }],
      classes: cifar10.classes.map((one) => ({ ...one, samples: 1_000_000 })),
      dataset: { ...MADE_UP.dataset, name: long },
      policy: { name: long, lambda: 0.123456 },
    };
    const named: EvaluationFigures = {
      ...wide,
      exits: [...MADE_UP.exits, ...MADE_UP.exits].slice(0, 5),
      classes: [oneClass(long, 0.5)],
    };
    for (const figures of [wide, named]) {
      const widths = reportText(figures)
        .split("\n")
        .map((line) => line.length);
      expect(Math.max(...widths)).toBeLessThanOrEqual(100);
    }
  });
});
