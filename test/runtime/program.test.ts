import { afterEach, describe, expect, test } from "vitest";
import { reduceSum } from "../../src/graph/broadcast.ts";
import { dropout } from "../../src/graph/dropout.ts";
import { add, exp, multiply, scale, subtract } from "../../src/graph/elementwise.ts";
import { gradients } from "../../src/graph/gradients.ts";
import type { GraphDefinition } from "../../src/graph/onnx.ts";
import { sgd } from "../../src/graph/optimizer.ts";
import { constant, input, randomInput, scalar, variable } from "../../src/graph/tensor.ts";
import { fillUniform, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { Program, type ProgramOptions } from "../../src/runtime/program.ts";

const runtime = createNodeRuntime({ threads: 1 });
const open: Program[] = [];

async function compile(definition: GraphDefinition, options?: ProgramOptions): Promise<Program> {
  const program = await Program.compile(runtime, definition, options);
  open.push(program);
  return program;
}

afterEach(async () => {
  for (const program of open.splice(0)) await program.close();
});

/** Counts the runs; `before` is the count that a run finds. */
function counter(): GraphDefinition {
  const count = variable("count", [1], Float32Array.of(10));
  return { outputs: { before: count }, updates: [{ variable: count, next: add(count, scalar(1)) }] };
}

describe("variables", () => {
  test("a run reads the value that the run before it left", async () => {
    const program = await compile(counter());
    expect([...(await program.read("count"))]).toEqual([10]);
    for (const before of [10, 11, 12, 13, 14]) {
      expect([...(await program.run({})).before!]).toEqual([before]);
      expect([...(await program.read("count"))]).toEqual([before + 1]);
    }
  });

  test("without any output the state is kept just the same", async () => {
    const program = await compile({ ...counter(), outputs: {} });
    for (const after of [11, 12, 13]) {
      expect(await program.run({})).toEqual({});
      expect([...(await program.read("count"))]).toEqual([after]);
    }
  });

  test("what is written is what the next run reads", async () => {
    const program = await compile(counter());
    for (const value of [100, -5, 7]) {
      program.write("count", Float32Array.of(value));
      expect([...(await program.read("count"))]).toEqual([value]);
      expect([...(await program.run({})).before!]).toEqual([value]);
      expect([...(await program.read("count"))]).toEqual([value + 1]);
    }
  });

  test("SGD on sum of (w - target)^2 takes the steps that it would take by hand", async () => {
    const target = input("target", [2]);
    const w = variable("w", [2], Float32Array.of(0, 8));
    const error = subtract(w, target);
    const loss = reduceSum(multiply(error, error));
    const [gradient] = gradients(loss, [w]);
    const updates = sgd([{ parameter: w, gradient: gradient! }], scalar(0.25), { momentum: 0 });
    const program = await compile({ outputs: { loss }, updates });
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) losses.push((await program.run({ target: Float32Array.of(4, 0) })).loss![0]!);
    // Each step halves the error: 4 and 8, 2 and 4, 1 and 2.
    expect(losses).toEqual([80, 20, 5]);
    expect([...(await program.read("w"))]).toEqual([3.5, 1]);
  });

  test("several updates see the values from before the run, whatever their order", async () => {
    const [a, b] = [variable("a", [1], Float32Array.of(1)), variable("b", [1], Float32Array.of(2))];
    const swap = [
      { variable: a, next: b },
      { variable: b, next: a },
    ];
    const program = await compile({ outputs: {}, updates: swap });
    await program.run({});
    expect([...(await program.read("a")), ...(await program.read("b"))]).toEqual([2, 1]);
    await program.run({});
    expect([...(await program.read("a")), ...(await program.read("b"))]).toEqual([1, 2]);
  });

  test("one that is only written keeps what the last run wrote", async () => {
    const last = variable("last", [2], Float32Array.of(-1, -1));
    const x = input("x", [2]);
    const program = await compile({ outputs: {}, updates: [{ variable: last, next: scale(x, 2) }] });
    expect([...(await program.read("last"))]).toEqual([-1, -1]);
    for (const value of [1, 2, 3]) {
      await program.run({ x: Float32Array.of(value, 0) });
      expect([...(await program.read("last"))]).toEqual([2 * value, 0]);
    }
  });

  test("one that is only read stays, and may be written", async () => {
    const w = variable("w", [1], Float32Array.of(3));
    const program = await compile({ outputs: { y: scale(w, 2) } });
    await program.run({});
    expect([...(await program.run({})).y!]).toEqual([6]);
    program.write("w", Float32Array.of(5));
    expect([...(await program.run({})).y!]).toEqual([10]);
  });

  test("two programs of one graph do not share them, and leave the first values alone", async () => {
    const initial = Float32Array.of(10);
    const count = variable("count", [1], initial);
    const definition = { outputs: {}, updates: [{ variable: count, next: add(count, scalar(1)) }] };
    const [first, second] = [await compile(definition), await compile(definition)];
    await first.run({});
    await first.run({});
    expect([(await first.read("count"))[0], (await second.read("count"))[0], initial[0]]).toEqual([12, 10, 10]);
  });

  test("first values may come from a function, which is asked when a program is compiled, not before", async () => {
    let asked = 0;
    const make = (): Float32Array => {
      asked++;
      return Float32Array.of(4);
    };
    const w = variable("w", [1], make);
    const next = add(w, scalar(1));
    expect(asked).toBe(0);
    const program = await compile({ outputs: {}, updates: [{ variable: w, next }] });
    await program.run({});
    await program.run({});
    expect([asked, ...(await program.read("w"))]).toEqual([1, 6]);
  });

  test("first values of the wrong size are refused when a program is compiled", async () => {
    const w = variable("w", [2, 3], () => new Float32Array(5));
    await expect(Program.compile(runtime, { outputs: { w2: exp(w) } })).rejects.toThrow(
      new RangeError("variable w: [2, 3] expects 6 initial values, found 5"),
    );
  });

  test("all of them are copied at once, with their shapes", async () => {
    const count = variable("count", [1], Float32Array.of(10));
    const fixed = variable("fixed", [1, 2], Float32Array.of(3, 4));
    const program = await compile({
      outputs: { y: exp(fixed) },
      updates: [{ variable: count, next: add(count, scalar(1)) }],
    });
    await program.run({});
    const copies = await program.variables();
    await program.run({});
    await program.run({});
    expect([...copies].sort()).toEqual([
      ["count", { shape: [1], data: Float32Array.of(11) }],
      ["fixed", { shape: [1, 2], data: Float32Array.of(3, 4) }],
    ]);
  });

  test("their names are known", async () => {
    const [a, b] = [variable("a", [1], Float32Array.of(1)), variable("b", [1], Float32Array.of(2))];
    const program = await compile({ outputs: { y: exp(a) }, updates: [{ variable: b, next: scalar(3) }] });
    expect([...program.variableNames].sort()).toEqual(["a", "b"]);
  });

  test("an unknown name and a wrong size are refused", async () => {
    const program = await compile(counter());
    await expect(program.read("cuont")).rejects.toThrow(
      new RangeError("program: one of the variables count expected, found cuont"),
    );
    expect(() => program.write("cuont", new Float32Array(1))).toThrow(RangeError);
    expect(() => program.write("count", new Float32Array(3))).toThrow(
      new RangeError("program: variable count expects 1 values, found 3"),
    );
  });
});

describe("inputs and outputs", () => {
  const product = (): GraphDefinition => {
    const [x, y] = [input("x", [2, 3]), input("y", [3])];
    return { outputs: { product: multiply(x, y), sum: reduceSum(multiply(x, y)), same: x } };
  };
  const x = Float32Array.of(1, 2, 3, 4, 5, 6);
  const y = Float32Array.of(1, 10, 100);

  test("a run returns every output by its name", async () => {
    const program = await compile(product());
    expect(await program.run({ x, y })).toEqual({
      product: Float32Array.of(1, 20, 300, 4, 50, 600),
      sum: Float32Array.of(975),
      same: x,
    });
  });

  test("the outputs of one run survive the next, even where they are variables", async () => {
    const count = variable("count", [1], Float32Array.of(10));
    const next = add(count, input("x", [1]));
    const program = await compile({ outputs: { count2: count, next }, updates: [{ variable: count, next }] });
    const first = await program.run({ x: Float32Array.of(1) });
    const second = await program.run({ x: Float32Array.of(5) });
    program.write("count", Float32Array.of(-7));
    expect(first).toEqual({ count2: Float32Array.of(10), next: Float32Array.of(11) });
    expect(second).toEqual({ count2: Float32Array.of(11), next: Float32Array.of(16) });
    expect([...(await program.read("count"))]).toEqual([-7]);
  });

  test("one tensor may be returned under several names", async () => {
    const y = exp(input("x", [1]));
    const program = await compile({ outputs: { a: y, b: y, c: add(y, scalar(1)) } });
    const { a, b, c } = await program.run({ x: Float32Array.of(0) });
    expect([...a!, ...b!, ...c!]).toEqual([1, 1, 2]);
  });

  test("what is written is copied: changing the array afterwards changes nothing", async () => {
    const program = await compile(counter());
    const values = Float32Array.of(3);
    program.write("count", values);
    values[0] = 99;
    expect([...(await program.run({})).before!]).toEqual([3]);
  });

  test("what a graph does not ask for is not looked at", async () => {
    const program = await compile(product());
    expect((await program.run({ x, y, z: new Float32Array(1) })).sum![0]).toBe(975);
  });

  test("constants alone make a graph", async () => {
    const program = await compile({ outputs: { one: constant([1, 2]) } });
    expect([...(await program.run({})).one!]).toEqual([1, 2]);
  });

  test.each([
    [{ y }, "program: input x expects 6 values ([2, 3]), found nothing"],
    [{ x, y: x }, "program: input y expects 3 values ([3]), found 6"],
    [{ x: new Float32Array(12), y }, "program: input x expects 6 values ([2, 3]), found 12"],
    [{ x: new Float32Array(0), y }, "program: input x expects 6 values ([2, 3]), found 0"],
  ])("a missing or wrong-sized input is refused: %#", async (feeds: Record<string, Float32Array>, message) => {
    const program = await compile(product());
    await expect(program.run(feeds)).rejects.toThrow(new RangeError(message));
  });

  test("and changes nothing: not the variables, not the next run", async () => {
    const w = variable("w", [1], Float32Array.of(1));
    const next = add(w, input("x", [1]));
    const program = await compile({ outputs: {}, updates: [{ variable: w, next }] });
    await expect(program.run({})).rejects.toThrow(RangeError);
    await expect(program.run({ x: new Float32Array(2) })).rejects.toThrow(
      new RangeError("program: input x expects 1 values ([1]), found 2"),
    );
    expect([...(await program.read("w"))]).toEqual([1]);
    await program.run({ x: Float32Array.of(4) });
    expect([...(await program.read("w"))]).toEqual([5]);
  });

  test.each([
    [{ x: new Float32Array(7), y }, "program: input x expects a multiple of 3 values ([2, 3]), found 7"],
    [{ x, y: undefined }, "program: input y expects a multiple of 1 values ([3]), found nothing"],
    [{ x, y, factor: x }, "program: input factor expects 1 values ([]), found 6"],
  ])("with anyBatch the size of one image counts: %#", async (feeds, message) => {
    const { outputs } = product();
    const scaled = multiply(outputs.product!, input("factor", []));
    const program = await compile({ outputs: { scaled }, anyBatch: true });
    await expect(program.run(feeds as Record<string, Float32Array>)).rejects.toThrow(new RangeError(message));
  });
});

describe("random inputs", () => {
  const definition = (): GraphDefinition => ({
    outputs: {
      a: randomInput("first", [50]),
      b: randomInput("second", [50]),
      y: dropout(input("x", [50]), 0.5, "coins"),
    },
  });
  const x = new Float32Array(50).fill(1);
  const draw = async (seed: number, step: number): Promise<Float32Array[]> => {
    const { a, b, y } = await (await compile(definition(), { seed })).run({ x }, step);
    return [a!.slice(), b!.slice(), y!.slice()];
  };

  test("repeat by seed and step, whatever was run before", async () => {
    const program = await compile(definition(), { seed: 3 });
    for (const step of [0, 9, 4, 1]) await program.run({ x }, step);
    const { a, b, y } = await program.run({ x }, 4);
    expect([a, b, y]).toEqual(await draw(3, 4));
  });

  test("differ between seeds, between steps and between inputs", async () => {
    const [a, b, y] = (await draw(3, 4)) as [Float32Array, Float32Array, Float32Array];
    const [otherSeed, otherStep] = [await draw(4, 4), await draw(3, 5)];
    for (const other of [otherSeed, otherStep]) {
      expect(other[0]).not.toEqual(a);
      expect(other[2]).not.toEqual(y);
    }
    expect(a).not.toEqual(b);
  });

  test("are the uniform numbers of (seed, step, place)", async () => {
    const expected = new Float32Array(50);
    fillUniform(seededRandom(3, 4, 0), expected);
    expect((await draw(3, 4))[0]).toEqual(expected);
  });

  test("of seed 0 and step 0 are the default", async () => {
    const program = await compile(definition());
    expect((await program.run({ x })).a).toEqual((await draw(0, 0))[0]);
  });
});

test("the operators of a program are those of its graph", async () => {
  const program = await compile({ outputs: { y: exp(add(input("x", [1]), scalar(1))) } });
  expect(program.operators).toEqual(["Add", "Exp"]);
});

test("after close, a run is refused, and the variables can still be read", async () => {
  const program = await Program.compile(runtime, counter());
  await program.run({});
  await program.close();
  await expect(program.run({})).rejects.toThrow();
  expect([...(await program.read("count"))]).toEqual([11]);
});
