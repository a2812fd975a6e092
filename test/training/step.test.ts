import { afterEach, describe, expect, test } from "vitest";
import { type GraphDefinition, serialize } from "../../src/graph/onnx.ts";
import { input } from "../../src/graph/tensor.ts";
import { blueprintNames, builtInBlueprint } from "../../src/network/blueprints.ts";
import { buildTrainingGraph } from "../../src/network/training-graph.ts";
import { Program } from "../../src/runtime/program.ts";
import { builtInRecipe, type RecipeInput, recipeNames } from "../../src/training/recipe.ts";
import { buildTrainingStep } from "../../src/training/step.ts";
import { runOnce } from "../graph/check.ts";
import { STANDARD_OPERATORS } from "../graph/operators.ts";
import { randomImages, randomWeights, trainableOf } from "../network/small.ts";
import { runtime, smallBlueprint, smallRecipe } from "./small.ts";

const blueprint = smallBlueprint(0);
const weights = randomWeights(blueprint, 4, 8);
const B = 8;
const labels = Array.from({ length: B }, (_, i) => (i * 3) % 4);
const images = randomImages(B * 2 * 64, 9);
const targets = Float32Array.from({ length: B * 4 }, (_, i) => Number(labels[i >> 2] === (i & 3)));

const open: Program[] = [];
afterEach(async () => {
  for (const program of open.splice(0)) await program.close();
});

async function compile(recipe: Partial<RecipeInput>): Promise<Program> {
  const definition: GraphDefinition = buildTrainingStep(trainableOf(blueprint, 4), smallRecipe(recipe), {
    start: weights,
  });
  const program = await Program.compile(runtime, definition, { optimizeFor: "training" });
  open.push(program);
  return program;
}

function run(program: Program, exitWeights: readonly number[], learningRate = 0.1, averageDecay = 0) {
  return program.run({
    images,
    targets,
    learningRate: Float32Array.of(learningRate),
    exitWeights: Float32Array.from(exitWeights),
    averageDecay: Float32Array.of(averageDecay),
  });
}

function logSoftmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const sum = logits.reduce((total, value) => total + Math.exp(value - top), 0);
  return logits.map((value) => value - top - Math.log(sum));
}

/** Of every image, at each exit. */
async function logitRows(): Promise<number[][][]> {
  const network = buildTrainingGraph(blueprint, 4, input("images", [B, ...blueprint.input]), { start: weights });
  const values = await runOnce({ 0: network.logits[0]!, 1: network.logits[1]! }, { images });
  return [values["0"]!, values["1"]!].map((own) => labels.map((_, b) => [...own.subarray(b * 4, b * 4 + 4)]));
}

const average = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

test("the sum of squares of each gradient comes out, in the order of the parameters", async () => {
  const program = await compile({ optimizer: { name: "sgd", momentum: 0, weightDecay: 0 }, learningRate: 1 });
  const names = trainableOf(blueprint, 4)
    .graph(input("images", [1, ...blueprint.input]))
    .parameters.map(({ source }) => source.name);
  const before = await Promise.all(names.map(async (name) => (await program.read(name)).slice()));
  const { gradientSquares, gradientNorm } = await run(program, [0.5, 0.5], 1);
  const after = await Promise.all(names.map((name) => program.read(name)));
  const moved = after.map((values, i) => values.reduce((sum, value, at) => sum + (value - before[i]![at]!) ** 2, 0));
  for (const [i, square] of moved.entries()) expect(gradientSquares![i]).toBeCloseTo(square, 4);
  expect(Math.sqrt(gradientSquares!.reduce((a, b) => a + b))).toBeCloseTo(gradientNorm![0]!, 4);
});

describe("the loss", () => {
  /** float32 sums of 8 images: 1e-6 each. */
  const DIGITS = 5;

  test.each([
    { smoothing: 0, distillation: 0, temperature: 1 },
    { smoothing: 0.2, distillation: 0, temperature: 1 },
    { smoothing: 0.1, distillation: 0.4, temperature: 3 },
    { smoothing: 0, distillation: 1, temperature: 2 },
  ])("equals the formula in float64: %j", async ({ smoothing, distillation: d, temperature: T }) => {
    const logits = await logitRows();
    const crossEntropy = logits.map((rows) =>
      average(
        rows.map((row, b) =>
          logSoftmax(row).reduce(
            (sum, p, k) => sum - ((1 - smoothing) * Number(k === labels[b]) + smoothing / 4) * p,
            0,
          ),
        ),
      ),
    );
    const kl = average(
      logits[0]!.map((student, b) => {
        const own = logSoftmax(student.map((value) => value / T));
        const teacher = logSoftmax(logits[1]![b]!.map((value) => value / T));
        return teacher.reduce((sum, p, k) => sum + Math.exp(p) * (p - own[k]!), 0);
      }),
    );
    const first = (1 - d) * crossEntropy[0]! + d * T * T * kl;
    const recipe = {
      labelSmoothing: smoothing,
      ...(d > 0 ? { distillation: { weight: d, temperature: T } } : {}),
    };
    const { loss, accuracy } = await run(await compile(recipe), [0.3, 0.7]);
    expect(loss![0]).toBeCloseTo(0.3 * first + 0.7 * crossEntropy[1]!, DIGITS);
    const right = logits.map((rows) =>
      average(rows.map((row, b) => Number(row.indexOf(Math.max(...row)) === labels[b]))),
    );
    expect([...accuracy!]).toEqual(right);
  });
});

const isLinear = (name: string): boolean => weights.get(name)!.shape.length === 2;
const isOfLastStage = (name: string): boolean => name.startsWith("stages.1.");
const parametersOf = (program: Program): string[] => program.variableNames.filter((name) => weights.has(name));
const trained = (program: Program): string[] =>
  parametersOf(program).filter((name) => /\.(weight|bias|gamma|beta)$/.test(name));

describe("distillation", () => {
  test("teaches the early exit and leaves the last one, the teacher, alone", async () => {
    const program = await compile({
      distillation: { weight: 1, temperature: 2 },
      optimizer: { name: "sgd", weightDecay: 0 },
    });
    for (let step = 0; step < 3; step++) await run(program, [1, 0]);
    for (const name of trained(program)) {
      const [before, after] = [weights.get(name)!.data, await program.read(name)];
      if (isOfLastStage(name)) expect(after, name).toEqual(before);
      else if (!name.endsWith("layers.0.bias")) expect(after, name).not.toEqual(before); // batch norm takes that bias off again
    }
  });

  test("brings the early exit's answers closer to the teacher's", async () => {
    const program = await compile({
      distillation: { weight: 1, temperature: 1 },
      optimizer: { name: "sgd", weightDecay: 0 },
    });
    const losses: number[] = [];
    for (let step = 0; step < 40; step++) losses.push((await run(program, [1, 0], 0.02)).loss![0]!);
    expect(losses[39]!).toBeLessThan(0.7 * losses[0]!);
  });
});

describe("weight decay", () => {
  // The last stage has no part in the loss, so its gradients are 0 and decay is all that moves it.
  test.each(["sgd", "adamW"] as const)(
    "%s: weights shrink by rate x decay, biases and batch norm stay",
    async (name) => {
      const program = await compile({ optimizer: { name, weightDecay: 0.5 } });
      await run(program, [1, 0], 0.1);
      const last = trained(program).filter(isOfLastStage);
      expect(last.filter((one) => !one.endsWith(".weight")).length).toBeGreaterThanOrEqual(5);
      for (const one of last) {
        const before = weights.get(one)!.data;
        if (!one.endsWith(".weight")) expect(await program.read(one), one).toEqual(before);
        else
          (await program.read(one)).forEach((value, i) => {
            expect(value, one).toBeCloseTo(before[i]! * (1 - 0.1 * 0.5), 6);
          });
      }
    },
  );
});

test.each([
  ["biasRateFactor", "biases and batch norm's offsets", (name: string) => /\.(bias|beta)$/.test(name)],
  ["linearRateFactor", "the weights of linear layers", (name: string) => name.endsWith(".weight") && isLinear(name)],
] as const)("%s multiplies the steps of %s, and no others", async (factorName, _, isMultiplied) => {
  const optimizer = { name: "sgd", momentum: 0, weightDecay: 0 } as const;
  const [once, thrice] = [await compile({ optimizer }), await compile({ optimizer, [factorName]: 3 })];
  for (const program of [once, thrice]) await run(program, [0.5, 0.5], 0.01);
  let moved = 0;
  for (const name of trained(once)) {
    const before = weights.get(name)!.data;
    const factor = isMultiplied(name) ? 3 : 1;
    const small = await once.read(name);
    (await thrice.read(name)).forEach((value, i) => {
      const step = small[i]! - before[i]!;
      moved = Math.max(moved, Math.abs(step));
      expect(value - before[i]!, name).toBeCloseTo(factor * step, 5); // the difference of two numbers of size 1
    });
  }
  expect(moved).toBeGreaterThan(1e-3);
});

test("gradientNorm shortens a long step to the norm, and tells the norm before", async () => {
  const optimizer = { name: "sgd", momentum: 0, weightDecay: 0 } as const;
  const norms: number[] = [];
  const lengths: number[] = [];
  for (const gradientNorm of [null, 0.01]) {
    const program = await compile({ optimizer, gradientNorm });
    norms.push((await run(program, [0.5, 0.5], 1)).gradientNorm![0]!);
    const squares = await Promise.all(
      trained(program).map(async (name) =>
        (await program.read(name)).reduce((sum, value, i) => sum + (value - weights.get(name)!.data[i]!) ** 2, 0),
      ),
    );
    lengths.push(Math.sqrt(squares.reduce((a, b) => a + b)));
  }
  expect(norms[1]).toBeCloseTo(norms[0]!, 4);
  expect(lengths[0]).toBeCloseTo(norms[0]!, 4);
  expect(norms[0]).toBeGreaterThan(0.1);
  expect(lengths[1]).toBeCloseTo(0.01, 4);
});

describe("the operators of a training step are the agreed ones", () => {
  test.each(blueprintNames.flatMap((name) => recipeNames.map((recipe) => [name, recipe] as const)))(
    "%s, %s",
    (name, recipe) => {
      const { operators } = serialize(
        buildTrainingStep(trainableOf(builtInBlueprint(name), 10), builtInRecipe(recipe)),
      );
      expect(operators).toContain("Conv");
      expect(operators.filter((operator) => !STANDARD_OPERATORS.includes(operator))).toEqual([]);
    },
  );
});
