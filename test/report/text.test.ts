import { describe, expect, test } from "vitest";
import type { EvaluationFigures } from "../../src/evaluation/figures.ts";
import { reportText } from "../../src/report/text.ts";
import { MADE_UP, oneClass } from "./made-up-figures.ts";

const CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const cifar10: EvaluationFigures = {
  ...MADE_UP,
  classes: CIFAR10.map((name, i) => ({ ...oneClass(name, 0.85 + i / 100), samples: 1000 })),
  dataset: { ...MADE_UP.dataset, name: "cifar10" },
};

describe("reportText", () => {
  test("of made-up figures", () => {
    expect(reportText(MADE_UP)).toMatchInlineSnapshot(`
      "As right as the whole network (88.9 against 89.5%) at 49% of its cost. The best tuned threshold:
      88.7% at 47%; at this price nothing tells the two apart.

      drawings, test split: 5,000 images (sha256 00ff)
      decided by agent (dqn) at lambda 0.1; learned with seed 3; earlyexit 0.1.0

      exit  share  accuracy  if always  cost (M MACs)
      1     30.0%     97.0%      71.0%           39.5
      2     70.0%     85.4%      86.0%          124.2
      3      0.0%         -      89.5%          209.4

                                  95% interval
      accuracy            88.90%  88.02 to 89.76%
      mean cost      98.8 M MACs  97.0 to 100.5    of 200.0 M MACs in full
      savings              50.6%  49.8 to 51.5%    1 - mean cost / full cost
      effectiveness        45.00  44.10 to 45.90   accuracy in percent x savings

        policy                 accuracy  savings  cost (M MACs)  return           minus agent [95%]
        oracle (in hindsight)    94.00%    61.0%           78.0  0.9027                           -
        threshold on entropy     88.70%    53.0%           94.0  0.8421  +0.0003 [-0.0041, +0.0047]
      * agent (dqn)              88.90%    50.6%           98.8  0.8418                           -
      + always exit 2            86.00%    37.9%          124.2  0.8007                           -
        always exit 3            89.50%    -4.7%          209.4  0.7950  -0.0468 [-0.0540, -0.0400]
        always exit 1            71.00%    80.3%           39.5  0.6911  -0.1507 [-0.1630, -0.1390]
      * decided here; + the best fixed exit; minus agent: returns, on the same images.
      Return: accuracy - lambda x mean cost / cost of the last exit, at lambda 0.1.

      (--all: calibration, classes, thresholds, differences one by one)"
    `);
  });

  test("in full: calibration, differences one by one, what was fitted, classes", () => {
    const text = reportText(MADE_UP, { all: true });
    expect(text.slice(0, text.indexOf("\n\n"))).toBe(reportText(MADE_UP).slice(0, text.indexOf("\n\n")));
    expect(text.slice(text.indexOf("minus agent [95%], in points"))).toMatchInlineSnapshot(`
      "minus agent [95%], in points                 accuracy               savings
      always exit 1                 -17.90 [-19.20, -16.60]  +29.6 [+28.8, +30.5]
      always exit 3                    +0.60 [-0.10, +1.30]  -55.3 [-56.1, -54.5]
      threshold on entropy             -0.20 [-0.60, +0.20]     +2.4 [+1.5, +3.2]

      fitted at lambda 0.1              exit 1, 2, ...
      threshold on entropy  thresholds  0.41235, -inf

      class   images  accuracy   95% interval  always exit 3    exit shares (%)
      circle   2,500     95.0%  94.0 to 95.8%          90.0%  25.0 / 75.0 / 0.0
      square       0         -              -              -                  -"
    `);
    expect(text).toContain("mean confidence");
    expect(text).toContain("depth effectiveness");
    expect(text).not.toContain("--all");
  });

  test("of other pictures under CIFAR-10's names, nothing published is shown; of uneven classes, the balanced accuracy", () => {
    const [first, ...others] = cifar10.classes;
    const text = reportText({ ...cifar10, classes: [{ ...first!, samples: 400 }, ...others] }, { all: true });
    expect(text).not.toContain("published experiment");
    expect(text).not.toContain("The published figures");
    expect(text).toContain("balanced: 95.00%, the mean of 10 uneven classes");
    expect(reportText(cifar10)).not.toContain("balanced");
  });

  test("of CIFAR-10 ends in the published experiment", () => {
    const text = reportText(cifar10, { all: true });
    expect(text.slice(text.indexOf("                                  here"))).toMatchInlineSnapshot(`
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
    const text = reportText({ ...MADE_UP, classes }, { all: true });
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
      policy: { name: long, lambda: 0.123456, seed: 3 },
    };
    const named: EvaluationFigures = {
      ...wide,
      exits: [...MADE_UP.exits, ...MADE_UP.exits].slice(0, 5),
      classes: [oneClass(long, 0.5)],
    };
    for (const figures of [wide, named]) {
      const widths = reportText(figures, { all: true })
        .split("\n")
        .map((line) => line.length);
      expect(Math.max(...widths)).toBeLessThanOrEqual(100);
    }
  });
});
