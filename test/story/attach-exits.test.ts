import { expect, test } from "vitest";
import { splitParts } from "../../src/dataset/dataset.ts";
import { drawShapesParts } from "../../src/dataset/shapes.ts";
import { answersOf, plainRule } from "../../src/exits/answers.ts";
import { exitAccuracies } from "../../src/exits/environment.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { attachExits } from "../../src/story/attach-exits.ts";
import { opened, runtime } from "../network/imported.ts";
import { op, smallParts, weight } from "../onnx/files.ts";
import { visionTransformer } from "../onnx/vision-transformer.ts";

const data = splitParts(drawShapesParts({ trainCount: 400, testCount: 200 }), 0.2, 1);
const network = await opened(smallParts({ side: 32 }));

test("heads on a network that knows nothing of these pictures are right far more often than chance", {
  timeout: 300_000,
}, async () => {
  const { network: attached, findings } = await attachExits({ network, data, at: ["relu3", "a"], runtime });
  expect(attached.cuts).toEqual(["a", "relu3"]); // in the order of the flow
  expect(findings).toMatchObject({ calibrated: false, lastExit: "new head" });
  expect(findings.notes.join()).toMatch(/near chance: .*--labels.*--normalise, --channels or --layout/);
  expect(findings.probes.map(({ cut, chosen }) => [cut, chosen])).toEqual([
    ["a", true],
    ["relu3", true],
  ]);
  const table = await computeExitTable(runtime, attached, data.test);
  expect(table.original).toBeUndefined(); // its answers say nothing of these classes
  const [first, second] = exitAccuracies(answersOf(table, plainRule(table.exits)));
  expect(first).toBeGreaterThan(0.35); // chance is 0.1
  expect(second).toBeGreaterThan(0.35);
  expect(attached.provenance.dataset.sha256.validation).toBe(data.validation!.sha256);
});

test("a Vision Transformer that was exported for one picture: heads on its tokens, after a block of its own", {
  timeout: 300_000,
}, async () => {
  const transformer = await opened(visionTransformer({ side: 32, patch: 8 }));
  const at = ["patches", "block 1"];
  const { network: attached, findings } = await attachExits({ network: transformer, data, at, runtime });
  expect(attached.cuts).toEqual(at);
  expect(findings.heads.map(({ cut, grid }) => [cut, grid])).toEqual([
    ["patches", 4], // a map still
    ["block 1", 1], // tokens
    ["normed", 1],
  ]);
  const table = await computeExitTable(runtime, attached, data.test);
  const [first, second] = exitAccuracies(answersOf(table, plainRule(table.exits)));
  expect(first).toBeGreaterThan(0.35); // chance is 0.1
  expect(second).toBeGreaterThan(0.15); // weights that nobody trained
});

test("refused with one line: a cut that is none, with the nearest; pictures of another size; no pictures to train", async () => {
  const attempt = (given: Partial<Parameters<typeof attachExits>[0]>) =>
    attachExits({ network, data, runtime, ...given });
  await expect(attempt({ at: ["relu"] })).rejects.toThrow(
    /attach: a cut of small expected, found relu; the nearest names are relu3/,
  );
  await expect(attempt({ data: { ...data, imageShape: [3, 16, 16] } })).rejects.toThrow(
    /attach: pictures of 3x32x32 expected .* found 3x16x16/,
  );
  await expect(attempt({ data: { ...data, train: null } })).rejects.toThrow(/found only a test part/);
  const sideBySide = await opened({
    inputs: [["input", ["batch", 3, 8, 8]]],
    outputs: ["logits"],
    nodes: [
      op("Conv", ["input", "l"], "left map", { kernel_shape: [3, 3] }),
      op("Conv", ["input", "r"], "right map", { kernel_shape: [3, 3] }),
      op("GlobalAveragePool", ["left map"], "left"),
      op("GlobalMaxPool", ["right map"], "right"),
      op("Concat", ["left", "right"], "both", { axis: 1 }),
      op("Flatten", ["both"], "flat"),
      op("Gemm", ["flat", "v"], "logits"),
    ],
    constants: [weight("l", [8, 3, 3, 3], 3), weight("r", [8, 3, 3, 3], 4), weight("v", [16, 2], 2)],
  });
  const small = { ...data, imageShape: [3, 8, 8] as const };
  await expect(attempt({ network: sideBySide, data: small })).rejects.toThrow(
    /a tensor through which all of small passes, .* expected, found none: .* until Concat .* joins left and right;/,
  );
});
