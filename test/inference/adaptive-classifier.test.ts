import { afterEach, describe, expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { UserError } from "../../src/errors.ts";
import { answersOf } from "../../src/exits/answers.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import type { ExitTable } from "../../src/exits/exit-table.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { AdaptiveClassifier, type Classification } from "../../src/inference/adaptive-classifier.ts";
import { stageGraphs } from "../../src/inference/stage-programs.ts";
import { networkCost } from "../../src/network/cost.ts";
import { type Agent, decide } from "../../src/policy/agent.ts";
import { policyMacs } from "../../src/policy/q-network.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { STANDARD_OPERATORS } from "../graph/operators.ts";
import { CLASSES, EXITS, handMadeAgent, IMAGE_SIZE, modelOf, network, wavyPixels } from "./small.ts";

const COUNT = 60;
const K = CLASSES.length;
const pixels = wavyPixels(COUNT, 5);
const runtime = createNodeRuntime({ threads: 1 });
const samples = createSamples(
  pixels,
  Uint16Array.from({ length: COUNT }, (_, i) => i % K),
);
const table: ExitTable = await computeExitTable(runtime, network, samples);

/** An agent whose exits are mixed. */
const mixed = handMadeAgent({ scale: 2, seed: 7 });

const open: AdaptiveClassifier<Uint8Array>[] = [];
afterEach(async () => {
  for (const classifier of open.splice(0)) await classifier.close();
});

async function create(agent: Agent, lambda?: number): Promise<AdaptiveClassifier<Uint8Array>> {
  const classifier = await AdaptiveClassifier.create(
    runtime,
    modelOf(agent),
    async (one: Uint8Array) => one,
    lambda === undefined ? {} : { lambda },
  );
  open.push(classifier);
  return classifier;
}

const image = (i: number): Uint8Array => pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE);
/** [N] 0..E-1, as `decide` counts them. */
const exitsOf = (results: readonly Classification[]): number[] => results.map(({ exit }) => exit - 1);
const row = (i: number, exit: number): number[] => [...table.logits.subarray((i * EXITS + exit) * K).subarray(0, K)];

/** p_k from the definition: in proportion to exp(z_k / T_k) p_{k-1}^w_k. */
function answerAt(i: number, exit: number, agent: Agent): number[] {
  const before = exit > 0 ? answerAt(i, exit - 1, agent) : Array<number>(K).fill(1);
  const own = row(i, exit).map((value) => Math.exp(value / agent.temperatures[exit]!));
  const both = own.map((value, c) => value * before[c]! ** agent.priorWeights[exit]!);
  return both.map((value) => value / both.reduce((a, b) => a + b));
}

/** Sums of some hundred float32 products, once with batch 60 and once with the batches in question. */
const TOLERANCE = 4; // digits

describe("where images leave", () => {
  test("is what the agent decides on the exit table", async () => {
    for (const lambda of [0.01, 0.1, 1]) {
      const classifier = await create(mixed, lambda);
      const expected = await decide(runtime, mixed, answersOf(table, mixed), modelOf(mixed).policy.costs, lambda);
      expect(exitsOf(await classifier.classifyPixels(pixels))).toEqual([...expected]);
    }
  });

  test("no stage after the exit taken is computed", async () => {
    const classifier = await create(mixed);
    const results = await classifier.classifyPixels(pixels);
    const exits = exitsOf(results);
    expect(new Set(exits)).toEqual(new Set([0, 1, 2])); // a test of compaction needs images at every exit
    const reached = [0, 1, 2].map((k) => exits.filter((exit) => exit >= k).length);
    expect(classifier.imagesComputed).toEqual(reached);
    for (const { trace, exit } of results) {
      expect(trace.map((one) => one.exit)).toEqual([1, 2, 3].slice(0, exit));
      expect(trace.map(({ exited }) => exited)).toEqual([...Array(exit - 1).fill(false), true]);
    }
    await classifier.classifyPixels(pixels);
    expect(classifier.imagesComputed).toEqual(reached.map((count) => 2 * count)); // since the start
  });

  test("and that is what ONNX Runtime is asked for: one run per stage reached, of the images that had not yet left", async () => {
    const runs: { session: number; images: number }[] = [];
    let sessions = 0;
    const counting: Runtime = {
      ...runtime,
      createSession: async (...args) => {
        const session = await runtime.createSession(...args);
        const number = sessions++;
        const run = session.run.bind(session);
        session.run = (feeds: Record<string, { dims: readonly number[] }>, ...rest: never[]) => {
          runs.push({ session: number, images: feeds.x!.dims[0]! });
          return run(feeds as never, ...rest);
        };
        return session;
      },
    };
    const classifier = await AdaptiveClassifier.create(counting, modelOf(mixed), async (one: Uint8Array) => one);
    open.push(classifier);
    expect(sessions).toBe(1); // those of the stages only when they are needed
    await classifier.prepareStages();
    expect(sessions).toBe(1 + EXITS);
    runs.length = 0; // the runs that warmed it up
    const exits = exitsOf(await classifier.classifyPixels(pixels));
    const reached = [0, 1, 2].map((k) => exits.filter((exit) => exit >= k).length);
    expect(runs).toEqual(reached.map((images, stage) => ({ session: 1 + stage, images })));
    for (const early of [0, 1]) {
      runs.length = 0;
      await classifier.classify(image(exits.indexOf(early)), { deadlineMs: 60_000 });
      expect(runs).toEqual([0, 1].slice(0, early + 1).map((stage) => ({ session: 1 + stage, images: 1 })));
    }
    runs.length = 0;
    await classifier.classify(image(0));
    await classifier.classifyPixels(image(1));
    expect(runs).toEqual(Array(2).fill({ session: 0, images: 1 }));
  });

  test("a batch and its images one by one give the same answers", async () => {
    const classifier = await create(mixed);
    const together = await classifier.classifyBatch(Array.from({ length: COUNT }, (_, i) => image(i)));
    for (const [i, batched] of together.entries()) {
      const alone = await classifier.classify(image(i));
      expect(alone.exit).toBe(batched.exit);
      expect(alone.classIndex).toBe(batched.classIndex);
      expect(alone.label).toBe(batched.label);
      alone.probabilities.forEach((p, k) => {
        expect(p).toBeCloseTo(batched.probabilities[k]!, 5);
      });
      alone.trace.slice(0, EXITS - 1).forEach(({ qExit }, k) => {
        expect(qExit).toBeCloseTo(batched.trace[k]!.qExit!, 5);
      });
    }
  });

  test.each([
    { name: "always on", biases: [1000, 0], exit: EXITS - 1, dueling: false },
    { name: "always out", biases: [0, 1000], exit: 0, dueling: false },
    { name: "always on, dueling", biases: [1000, 0], exit: EXITS - 1, dueling: true },
    { name: "always out, dueling", biases: [0, 1000], exit: 0, dueling: true },
  ])("$name: the answers of that exit of the plain network", async ({ biases, exit, dueling }) => {
    const agent = handMadeAgent({ biases, dueling });
    const classifier = await create(agent);
    const results = await classifier.classifyPixels(pixels);
    expect(exitsOf(results)).toEqual(Array(COUNT).fill(exit));
    for (const [i, result] of results.entries()) {
      const expected = answerAt(i, exit, agent);
      result.probabilities.forEach((p, k) => {
        expect(p).toBeCloseTo(expected[k]!, TOLERANCE);
      });
      expect(result.classIndex).toBe(expected.indexOf(Math.max(...expected)));
      expect(result.label).toBe(CLASSES[result.classIndex]);
    }
    expect(new Set(results.map(({ label }) => label)).size).toBeGreaterThan(1);
  });

  test("at a tie an image leaves", async () => {
    const agent = handMadeAgent();
    const zeros = [...agent.weights].map(
      ([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }] as const,
    );
    const classifier = await create({ ...agent, weights: new Map(zeros) });
    expect(exitsOf(await classifier.classifyPixels(pixels))).toEqual(Array(COUNT).fill(0));
  });
});

describe("the trace", () => {
  /** The agent once more, in float64, from the logits of the exits so far. */
  function expectedTrace(i: number, exit: number, agent: Agent, lambda: number) {
    const { costs } = modelOf(agent).policy;
    const perExit = Array.from({ length: exit + 1 }, (_, k) => {
      const p = answerAt(i, k, agent);
      const sorted = [...p].sort((a, b) => b - a);
      const entropy = p.reduce((sum, one) => sum - one * Math.log(one), 0);
      return { top: p.indexOf(sorted[0]!), confidence: sorted[0]!, margin: sorted[0]! - sorted[1]!, entropy, sorted };
    });
    const features = perExit.flatMap(({ top, confidence, margin, entropy, sorted }, k) => [
      confidence,
      margin,
      entropy,
      ...sorted.slice(0, 3),
      Number(top === perExit[k - 1]?.top),
    ]);
    const observed = [
      ...[0, 1, 2].map((k) => Number(k === exit)),
      costs.exitMacs[exit]! / costs.exitMacs[EXITS - 1]!,
      ...features,
      ...Array((EXITS - 1 - exit) * 7).fill(0),
      1 + Math.log10(lambda),
    ];
    const layer = (name: string, x: readonly number[]): number[] => {
      const { data } = agent.weights.get(`${name}.weight`)!;
      return [...agent.weights.get(`${name}.bias`)!.data].map((bias, o) =>
        x.reduce((sum, value, j) => sum + value * data[o * x.length + j]!, bias),
      );
    };
    const top = agent.hidden.reduce<number[]>(
      (x, _, h) => layer(`hidden.${h}`, x).map((v) => Math.max(0, v)),
      observed,
    );
    const own = perExit[exit]!;
    if (!agent.dueling) return { ...own, q: layer("actions", top) };
    const advantage = layer("advantage", top);
    const value = layer("value", top)[0]!;
    return { ...own, q: advantage.map((a) => value + a - (advantage[0]! + advantage[1]!) / 2) };
  }

  test.each([
    ["plain", mixed],
    ["dueling", handMadeAgent({ dueling: true, scale: 1.5, biases: [-0.3, 0], seed: 14 })],
  ])("equals a computation in float64 from the logits: %s", async (_, agent) => {
    const lambda = 0.3;
    const classifier = await create(agent, lambda);
    const results = await classifier.classifyPixels(pixels);
    expect(Math.max(...exitsOf(results))).toBe(EXITS - 1);
    for (const [i, { trace }] of results.entries())
      for (const found of trace) {
        const expected = expectedTrace(i, found.exit - 1, agent, lambda);
        expect(found.confidence).toBeCloseTo(expected.confidence, TOLERANCE);
        expect(found.margin).toBeCloseTo(expected.margin, TOLERANCE);
        expect(found.entropy).toBeCloseTo(expected.entropy, TOLERANCE);
        expect(found.classIndex).toBe(expected.top);
        if (found.exit === EXITS) {
          expect(found).toMatchObject({ qExit: null, qContinue: null, exited: true }); // nothing to decide
          continue;
        }
        expect(found.qExit).toBeCloseTo(expected.q[1]!, TOLERANCE);
        expect(found.qContinue).toBeCloseTo(expected.q[0]!, TOLERANCE);
        expect(found.exited).toBe(found.qExit! >= found.qContinue!);
      }
  });

  test("an answer is that of the last line of its trace, at the cost of its exit", async () => {
    const classifier = await create(mixed);
    const { exitMacs } = networkCost(network);
    const decision = policyMacs(EXITS, K, mixed.hidden, mixed.dueling);
    const costs = [exitMacs[0]! + decision, exitMacs[1]! + 2 * decision, exitMacs[2]! + 2 * decision];
    for (const result of await classifier.classifyPixels(pixels)) {
      const last = result.trace.at(-1)!;
      expect(result).toMatchObject({ exit: last.exit, classIndex: last.classIndex, confidence: last.confidence });
      expect(result.costMacs).toBe(costs[result.exit - 1]);
      expect(result.probabilities).toHaveLength(K);
      expect(result.probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(result.probabilities[last.classIndex]).toBeCloseTo(last.confidence, 5);
      expect(result.latencyMs).toBeGreaterThan(0);
    }
  });
});

test("what another program reads: exits are 1..E and probabilities are lists, in JSON as in memory", async () => {
  const classifier = await create(mixed);
  const results = await classifier.classifyPixels(pixels);
  const told = JSON.parse(JSON.stringify(results)) as Classification[];
  expect(told).toEqual(results);
  expect(new Set(told.map(({ exit }) => exit))).toEqual(new Set([1, 2, 3]));
  for (const { exit, probabilities, trace, costMacs } of told) {
    expect(Array.isArray(probabilities)).toBe(true);
    expect(trace.map((one) => [one.exit, Array.isArray(one.probabilities)])).toEqual(
      [1, 2, 3].slice(0, exit).map((one) => [one, true]),
    );
    expect(costMacs).toBe(classifier.costs.exitMacs[exit - 1]);
  }
});

describe("the dial", () => {
  // The observation's last column, 1 + log10(lambda), alone decides: 0 and more means exit.
  function dialAgent(): Agent {
    const agent = handMadeAgent();
    const weights = new Map(
      [...agent.weights].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }] as const),
    );
    const inputs = weights.get("hidden.0.weight")!.shape[1]!;
    weights.get("hidden.0.weight")!.data[inputs - 1] = 1;
    weights.get("hidden.1.weight")!.data[0] = 1;
    weights.get("actions.weight")!.data[6] = 1; // exit = max(0, 1 + log10(lambda))
    weights.get("actions.bias")!.data[0] = 0.5; // continue
    return { ...agent, weights };
  }

  test("starts at the model's recommended lambda and may be turned", async () => {
    const classifier = await create(dialAgent());
    expect(classifier.lambda).toBe(0.1);
    expect((await classifier.classify(image(0))).exit).toBe(EXITS);
    classifier.lambda = 1;
    expect(classifier.lambda).toBe(1);
    expect((await classifier.classify(image(0))).exit).toBe(1);
    expect((await create(dialAgent(), 0.5)).lambda).toBe(0.5);
  });

  test("turned while a batch is under way, it holds for the next one", async () => {
    const classifier = await create(dialAgent());
    const underWay = classifier.classifyPixels(pixels);
    classifier.lambda = 1;
    expect(exitsOf(await underWay)).toEqual(Array(COUNT).fill(EXITS - 1));
    expect(exitsOf(await classifier.classifyPixels(pixels))).toEqual(Array(COUNT).fill(0));
  });

  test("stays where it was when turned too far", async () => {
    const classifier = await create(mixed);
    for (const value of [0.001, 1.01, 0, -1, Number.NaN]) {
      expect(() => {
        classifier.lambda = value;
      }).toThrow(UserError);
      expect(classifier.lambda).toBe(0.1);
    }
    await expect(create(mixed, 2)).rejects.toThrow("lambda: 0.01 to 1 expected");
  });
});

describe("what is refused", () => {
  test("pixels that are not a whole number of images", async () => {
    const classifier = await create(mixed);
    await expect(classifier.classifyPixels(pixels.subarray(1))).rejects.toThrow(RangeError);
    await expect(classifier.classifyPixels(pixels.subarray(1))).rejects.toThrow(
      `images of 2x8x8 bytes in a Uint8Array expected, found ${COUNT * IMAGE_SIZE - 1} in a Uint8Array`,
    );
    await expect(classifier.classify(pixels.subarray(0, IMAGE_SIZE + 1))).rejects.toThrow(RangeError);
    // two images of the wrong size that make up two of the right one together
    await expect(
      classifier.classifyBatch([pixels.subarray(0, IMAGE_SIZE - 1), pixels.subarray(0, IMAGE_SIZE + 1)]),
    ).rejects.toThrow(`${IMAGE_SIZE} bytes per image expected, found ${IMAGE_SIZE - 1}`);
    expect(classifier.imagesComputed).toEqual([0, 0, 0]);
  });

  test("options of another kind, each by name", async () => {
    const classifier = await create(mixed);
    const image = pixels.subarray(0, IMAGE_SIZE);
    for (const deadlineMs of ["5", null, {}, -1, Number.NaN])
      await expect(classifier.classify(image, { deadlineMs: deadlineMs as number })).rejects.toThrow(
        "classifier: deadlineMs of at least 0 expected, found ",
      );
    for (const signal of [{}, null, "stop"])
      await expect(classifier.classify(image, { signal: signal as AbortSignal })).rejects.toThrow(
        "classifier: an AbortSignal as signal expected, found ",
      );
    expect(() => {
      (classifier as { lambda: unknown }).lambda = "0.1";
    }).toThrow(UserError);
    expect(classifier.imagesComputed).toEqual([0, 0, 0]);
  });

  test("nothing to classify gives no answers", async () => {
    const classifier = await create(mixed);
    expect(await classifier.classifyBatch([])).toEqual([]);
    expect(await classifier.classifyPixels(new Uint8Array())).toEqual([]);
  });

  test("a model without a policy", async () => {
    const created = AdaptiveClassifier.create(runtime, { network, policy: null }, async (one: Uint8Array) => one);
    await expect(created).rejects.toThrow(UserError);
  });

  test("weights that are no numbers are a defect, not an answer", async () => {
    const agent = handMadeAgent();
    agent.weights.get("actions.bias")!.data[1] = Number.NaN;
    const classifier = await create(agent);
    await expect(classifier.classify(image(0))).rejects.toThrow("finite numbers expected, found NaN at exit 1");
  });
});

describe("a lazy classifier", () => {
  /** @param failing which sessions cannot be made, counted from 1 in the order of the attempts */
  async function createLazy(failing: readonly number[] = []) {
    let sessions = 0;
    const counting: Runtime = {
      ...runtime,
      createSession: async (...args) => {
        if (failing.includes(++sessions)) throw new Error("no memory left");
        return runtime.createSession(...args);
      },
    };
    const read = async (one: Uint8Array) => one;
    const classifier = await AdaptiveClassifier.create(counting, modelOf(mixed), read, { lazy: true });
    open.push(classifier);
    return { classifier, sessions: (): number => sessions };
  }

  test("makes the session of a stage when the first image reaches it, and once", async () => {
    const { classifier, sessions } = await createLazy();
    expect(sessions()).toBe(0);
    const exits = exitsOf(await (await create(mixed)).classifyPixels(pixels));
    for (const exit of [0, 2, 1]) {
      const { exit: taken } = await classifier.classify(image(exits.indexOf(exit)));
      expect(taken).toBe(exit + 1);
      expect(sessions()).toBe(exit === 0 ? 1 : 3);
    }
  });

  test("answers as any other, one by one, in a batch and by a deadline", async () => {
    const { classifier, sessions } = await createLazy();
    const others = await create(mixed);
    for (let i = 0; i < 10; i++) {
      const [lazy, other] = [await classifier.classify(image(i)), await others.classify(image(i))];
      expect(lazy.exit).toBe(other.exit);
      expect(lazy.classIndex).toBe(other.classIndex);
      for (const [c, probability] of lazy.probabilities.entries())
        expect(probability).toBeCloseTo(other.probabilities[c]!, TOLERANCE);
      const bound = await classifier.classify(image(i), { deadlineMs: 60_000 });
      expect(bound).toEqual({ ...lazy, latencyMs: bound.latencyMs, readMs: bound.readMs });
    }
    expect(exitsOf(await classifier.classifyPixels(pixels))).toEqual(exitsOf(await others.classifyPixels(pixels)));
    expect(sessions()).toBe(EXITS);
  });

  test("makes a session again that could not be made, and of the same stage", async () => {
    const { classifier, sessions } = await createLazy([1, 3]);
    const expected = await (await create(mixed)).classifyPixels(pixels);
    await expect(classifier.classify(image(0))).rejects.toThrow("no memory left");
    await expect(classifier.classifyPixels(pixels)).rejects.toThrow("no memory left"); // at the second stage
    expect(exitsOf(await classifier.classifyPixels(pixels))).toEqual(exitsOf(expected));
    expect(sessions()).toBe(2 + EXITS);
    await classifier.close();
  });

  test("closes with none of its sessions made", async () => {
    const { classifier } = await createLazy();
    await classifier.close();
    await expect(classifier.classify(image(0))).rejects.toThrow("found a closed one");
  });
});

test("the stages are made of the agreed operators", () => {
  for (const graph of network.stages.map((_, exit) => stageGraphs(network, modelOf(mixed).policy)(exit)))
    expect(
      serialize(graph).operators.filter((one) => ![...STANDARD_OPERATORS, "TopK", "ArgMin", "Compress"].includes(one)),
    ).toEqual([]);
});
