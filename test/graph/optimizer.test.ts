import { describe, expect, test } from "vitest";
import { adamW, clipByGlobalNorm, movingAverages, sgd, type Trained, type Update } from "../../src/graph/optimizer.ts";
import { input, scalar, type Tensor, variable } from "../../src/graph/tensor.ts";
import { normal, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program } from "../../src/runtime/program.ts";
import { anywhere, expectClose, runOnce } from "./check.ts";

const STEPS = 6;
const SIZE = 5;
const INITIAL = anywhere(seededRandom(1), SIZE);
/** One gradient per step, as if the loss were another one every time. */
const GRADIENTS = Array.from({ length: STEPS }, (_, step) => anywhere(seededRandom(2, step), SIZE));
/** The learning rate changes from step to step, as a schedule changes it. */
const RATES = [0.1, 0.05, 0.2, 0.1, 0.02, 0.3];

interface Options {
  readonly rateFactor?: number;
  readonly decay?: number;
}

/** The variables after all steps, by name. */
async function train(
  optimizer: (trained: Trained[], rate: Tensor) => Update[],
  options: Options = {},
): Promise<Record<string, Float32Array>> {
  const parameter = variable("p", [SIZE], INITIAL);
  const trained = { parameter, gradient: input("gradient", [SIZE]), ...options };
  const updates = optimizer([trained], input("rate", []));
  const program = await Program.compile(createNodeRuntime({ threads: 1 }), { outputs: {}, updates });
  for (let step = 0; step < STEPS; step++)
    await program.run({ gradient: GRADIENTS[step]!, rate: Float32Array.of(RATES[step]!) });
  const values = Object.fromEntries([...(await program.variables())].map(([name, { data }]) => [name, data]));
  await program.close();
  return values;
}

/** One number through all steps: `next` maps (state, gradient, rate, t) to the next state; p is the state's first. */
function simulate(next: (state: number[], gradient: number, rate: number, t: number) => number[], i: number): number[] {
  return GRADIENTS.reduce(
    (state, gradient, step) => next(state, gradient[i]!, RATES[step]!, step + 1),
    [INITIAL[i]!, 0, 0],
  );
}

function simulated(next: Parameters<typeof simulate>[0], which: number): number[] {
  return Array.from({ length: SIZE }, (_, i) => simulate(next, i)[which]!);
}

const optionSets: readonly Options[] = [{}, { decay: 0.05 }, { rateFactor: 0.5 }, { rateFactor: 2, decay: 0.1 }];

// Six steps of a few operations each: a dozen roundings of 6e-8.
const TOLERANCE = 1e-6;

describe.each(optionSets)("with %j", (options) => {
  const { rateFactor = 1, decay = 0 } = options;

  test.each([0.9, 0.5, 0])("sgd with Nesterov momentum %d", async (momentum) => {
    const found = await train((trained, rate) => sgd(trained, rate, { momentum }), options);
    const next = ([p, v]: number[], g: number, rate: number): number[] => {
      const velocity = momentum * v! + g;
      return [p! - rate * rateFactor * (g + momentum * velocity + decay * p!), velocity];
    };
    expectClose(found.p!, simulated(next, 0), TOLERANCE, "p");
    expectClose(found["p.velocity"]!, simulated(next, 1), TOLERANCE, "velocity");
  });

  test.each([{}, { beta1: 0.8, beta2: 0.95, epsilon: 1e-3 }])("adamW with %j", async (settings) => {
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = settings;
    const found = await train((trained, rate) => adamW(trained, rate, settings), options);
    const next = ([p, m, s]: number[], g: number, rate: number, t: number): number[] => {
      const mean = beta1 * m! + (1 - beta1) * g;
      const square = beta2 * s! + (1 - beta2) * g * g;
      const step = mean / (1 - beta1 ** t) / (Math.sqrt(square / (1 - beta2 ** t)) + epsilon);
      return [p! - rate * rateFactor * (step + decay * p!), mean, square];
    };
    // 1 - 0.999^t is 1e-3 at first, and float32 knows 0.999 to 6e-8: 3e-5 of a step, times rates of at most 0.6.
    expectClose(found.p!, simulated(next, 0), 4e-5, "p");
    expectClose(found["p.mean"]!, simulated(next, 1), TOLERANCE, "mean");
    expectClose(found["p.square"]!, simulated(next, 2), TOLERANCE, "square");
    expect([...found["adam.step"]!]).toEqual([STEPS]);
  });
});

test("sgd without options has a momentum of 0.9", async () => {
  const plain = await train((trained, rate) => sgd(trained, rate));
  expect(plain).toEqual(await train((trained, rate) => sgd(trained, rate, { momentum: 0.9 })));
});

describe("clipByGlobalNorm", () => {
  const [a, b] = [Float32Array.of(3, 0), Float32Array.of(0, 0, -4)];

  test.each([
    { limit: 10, factor: 1 },
    { limit: 5.1, factor: 1 },
    { limit: 1, factor: 0.2 },
    { limit: 2.5, factor: 0.5 },
  ])("to $limit of gradients with norm 5 multiplies all of them by $factor", async ({ limit, factor }) => {
    const { clipped, norm } = clipByGlobalNorm([input("a", [2]), input("b", [3])], limit);
    const found = await runOnce({ a2: clipped[0]!, b2: clipped[1]!, norm }, { a, b });
    // 1e-6 is added to the norm.
    expectClose(found.a2!, [3 * factor, 0], 1e-6);
    expectClose(found.b2!, [0, 0, -4 * factor], 1e-6);
    expectClose(found.norm!, [5], 1e-6);
  });

  test("leaves gradients of zero alone", async () => {
    const { clipped } = clipByGlobalNorm([input("a", [2])], 1);
    const found = await runOnce({ a2: clipped[0]! }, { a: new Float32Array(2) });
    expect([...found.a2!]).toEqual([0, 0]);
  });
});

test("movingAverages follow the next values, from the first value on", async () => {
  const parameter = variable("p", [SIZE], INITIAL);
  const updates = sgd([{ parameter, gradient: input("gradient", [SIZE]) }], scalar(0.1), { momentum: 0 });
  const averages = movingAverages(
    updates.filter((update) => update.variable === parameter),
    input("decay", []),
  );
  expect(averages.map((update) => update.variable.source.name)).toEqual(["p.average"]);
  const definition = { outputs: {}, updates: [...updates, ...averages] };
  const program = await Program.compile(createNodeRuntime({ threads: 1 }), definition);
  expect([...(await program.read("p.average"))]).toEqual([...INITIAL]);
  const expected = { p: Array.from(INITIAL), average: Array.from(INITIAL) };
  for (const [step, gradient] of GRADIENTS.entries()) {
    const decay = step / (step + 2); // grows from 0
    await program.run({ gradient, decay: Float32Array.of(decay) });
    expected.p = expected.p.map((value, i) => value - 0.1 * gradient[i]!);
    expected.average = expected.average.map((value, i) => decay * value + (1 - decay) * expected.p[i]!);
    expectClose(await program.read("p.average"), expected.average, TOLERANCE, `average of step ${step}`);
  }
  await program.close();
});

test("two trained parameters have moments of their own", async () => {
  const [p, q] = [variable("p", [1], Float32Array.of(1)), variable("q", [1], Float32Array.of(1))];
  const trained = [
    { parameter: p, gradient: scalar(1) },
    { parameter: q, gradient: scalar(-2), rateFactor: 0.1 },
  ];
  const program = await Program.compile(createNodeRuntime({ threads: 1 }), {
    outputs: {},
    updates: sgd(trained, scalar(0.5), { momentum: 0 }),
  });
  await program.run({});
  expect([...program.variableNames].sort()).toEqual(["p", "p.velocity", "q", "q.velocity"]);
  expectClose([(await program.read("p"))[0]!, (await program.read("q"))[0]!], [0.5, 1.1], 1e-7);
  expectClose([(await program.read("p.velocity"))[0]!, (await program.read("q.velocity"))[0]!], [1, -2], 1e-7);
  await program.close();
});

describe("on a bowl, sum of c (p - target)^2 / 2,", () => {
  const random = seededRandom(9);
  const target = Array.from({ length: 3 }, () => normal(random));

  test.each([
    { name: "sgd", steps: 60, optimizer: (one: Trained[]) => sgd(one, scalar(0.1)) },
    { name: "adamW", steps: 250, optimizer: (one: Trained[]) => adamW(one, scalar(0.05), { beta2: 0.99 }) },
  ])("$name comes to the bottom within $steps steps", async ({ steps, optimizer }) => {
    const parameter = variable("p", [3], new Float32Array(3));
    const gradient = input("gradient", [3]);
    const program = await Program.compile(createNodeRuntime({ threads: 1 }), {
      outputs: {},
      updates: optimizer([{ parameter, gradient }]),
    });
    for (let step = 0; step < steps; step++) {
      const slope = (await program.read("p")).map((value, i) => (i + 1) * (value - target[i]!));
      await program.run({ gradient: slope });
    }
    expectClose(await program.read("p"), target, 0.01);
    await program.close();
  });
});
