/** A classifier in use: deadlines, signals, overlapping calls, closing, and memory over many images. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test } from "vitest";
import { AdaptiveClassifier, type Classification, type Dial } from "../../src/inference/adaptive-classifier.ts";
import type { Agent } from "../../src/policy/agent.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { CLASSES, EXITS, handMadeAgent, IMAGE_SIZE, modelOf, wavyPixels } from "./small.ts";

const onward = handMadeAgent({ biases: [1000, 0] });
const mixed = handMadeAgent({ scale: 2, seed: 7 });
const pixels = wavyPixels(40, 5);
const image = (i: number) => ({ pixels: pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE) });

const open: AdaptiveClassifier<never>[] = [];
afterEach(async () => {
  for (const classifier of open.splice(0)) await classifier.close();
});

/** A runtime whose session for stage k waits so long before every run, and that of all stages as long as all; the delays may be changed. */
function slowed(delaysMs: number[]): Runtime {
  const runtime = createNodeRuntime({ threads: 1 });
  let sessions = 0;
  const delayOf = (session: number) => (session === 0 ? delaysMs.reduce((a, b) => a + b, 0) : delaysMs[session - 1]);
  return {
    ...runtime,
    createSession: async (...args) => {
      const session = await runtime.createSession(...args);
      const number = sessions++;
      const run = session.run.bind(session) as (feeds: object) => ReturnType<typeof session.run>;
      return Object.assign(Object.create(session) as typeof session, {
        release: () => session.release(),
        run: async (feeds: object) => {
          const delay = delayOf(number);
          if (delay) await new Promise((resolve) => setTimeout(resolve, delay));
          return run(feeds);
        },
      });
    },
  };
}

async function create(agent: Agent, delaysMs: number[] = [], dial: Dial = {}): Promise<AdaptiveClassifier<never>> {
  const decode = () => Promise.reject(new Error("no decoder expected"));
  const classifier = await AdaptiveClassifier.create<never>(slowed(delaysMs), modelOf(agent), decode, dial);
  open.push(classifier);
  return classifier;
}

describe("a deadline", () => {
  test("without one, and with a far one, the policy decides alone", async () => {
    const classifier = await create(mixed);
    for (let i = 0; i < 20; i++) {
      const free = await classifier.classify(image(i));
      const bound = await classifier.classify(image(i), { deadlineMs: 60_000 });
      expect(bound.exit).toBe(free.exit);
      expect(bound.stoppedBy).toBe(free.stoppedBy);
      expect(free.stoppedBy).toBe(free.exit === EXITS ? "last exit" : "policy");
    }
  });

  test("a stage that would probably end after it is not begun, and the answer is that of the exit before", async () => {
    const classifier = await create(onward, [0, 0, 120]);
    await classifier.prepareStages();
    const before = [...classifier.imagesComputed];
    const late = await classifier.classify(image(0), { deadlineMs: 110 });
    expect(late.stoppedBy).toBe("deadline");
    expect(late.exit).toBe(2);
    expect(late.costMacs).toBe(classifier.policy.costs.exitMacs[1]);
    expect(late.trace.map(({ exited }) => exited)).toEqual([false, true]);
    expect(late.trace[1]!.qContinue!).toBeGreaterThan(late.trace[1]!.qExit!); // the agent would have gone on
    expect(late.label).toBe(CLASSES[late.trace[1]!.classIndex]);
    expect(classifier.imagesComputed.map((count, k) => count - before[k]!)).toEqual([1, 1, 0]);
    expect(await classifier.classify(image(0), { deadlineMs: 5000 })).toMatchObject({
      exit: 3,
      stoppedBy: "last exit",
    });
  });

  test("the first stage always runs", async () => {
    const classifier = await create(onward, [20, 0, 0]);
    expect(await classifier.classify(image(0), { deadlineMs: 0 })).toMatchObject({ exit: 1, stoppedBy: "deadline" });
  });

  test("a stage that has become slower is begun in time only", async () => {
    const delays = [0, 0, 0];
    const classifier = await create(onward, delays);
    await classifier.prepareStages();
    expect((await classifier.classify(image(0), { deadlineMs: 1000 })).exit).toBe(3);
    delays[2] = 120;
    for (let i = 0; i < 2; i++) await classifier.classify(image(i), { deadlineMs: 60_000 }); // 2 of 10 times are long: more than 5%
    expect(await classifier.classify(image(0), { deadlineMs: 110 })).toMatchObject({ exit: 2, stoppedBy: "deadline" });
  });

  test("the time that a call waits for the one before it counts", async () => {
    const classifier = await create(onward, [40, 0, 0]);
    await classifier.prepareStages();
    const first = classifier.classify(image(0));
    const second = classifier.classify(image(1), { deadlineMs: 60 }); // 40 of waiting, 40 of its own
    expect((await first).exit).toBe(3);
    expect(await second).toMatchObject({ exit: 1, stoppedBy: "deadline" });
  });

  test("whose first call makes the sessions of the stages itself is answered, and the next one in time", async () => {
    const classifier = await create(onward);
    expect(await classifier.classify(image(0), { deadlineMs: 0.001 })).toMatchObject({
      exit: 1,
      stoppedBy: "deadline",
    });
    expect((await classifier.classify(image(0), { deadlineMs: 5000 })).exit).toBe(3);
  });

  test("is at least 0", async () => {
    const classifier = await create(onward);
    for (const deadlineMs of [-1, Number.NaN])
      await expect(classifier.classify(image(0), { deadlineMs })).rejects.toThrow(RangeError);
  });
});

describe("a signal", () => {
  test("aborted before the call: nothing is computed", async () => {
    const classifier = await create(onward);
    const signal = AbortSignal.abort(new Error("not wanted"));
    await expect(classifier.classify(image(0), { signal })).rejects.toThrow("not wanted");
    await expect(classifier.classifyBatch([image(0)], { signal })).rejects.toThrow("not wanted");
    expect(classifier.imagesComputed).toEqual([0, 0, 0]);
  });

  test("aborted on the way: the next stage is not begun, and the classifier goes on with other images", async () => {
    const classifier = await create(onward, [0, 30, 0]);
    await classifier.prepareStages();
    const controller = new AbortController();
    const call = classifier.classifyBatch([image(0), image(1)], { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("gone")), 10);
    await expect(call).rejects.toThrow("gone");
    expect(classifier.imagesComputed[0]).toBe(2);
    expect(classifier.imagesComputed[2]).toBe(0);
    expect((await classifier.classify(image(2))).exit).toBe(3);
  });
});

test("calls that overlap do not mix up their images", async () => {
  const classifier = await create(mixed, [1, 1, 1]);
  const alone: Classification[] = [];
  for (let i = 0; i < 12; i++) alone.push(await classifier.classify(image(i)));
  const together = await Promise.all([
    ...Array.from({ length: 6 }, (_, i) => classifier.classify(image(i))),
    classifier.classifyBatch(Array.from({ length: 6 }, (_, i) => image(i + 6))),
  ]);
  for (const [i, result] of together.flat().entries()) {
    expect(result.exit).toBe(alone[i]!.exit);
    result.probabilities.forEach((p, k) => {
      expect(p).toBeCloseTo(alone[i]!.probabilities[k]!, 5);
    });
  }
});

test("a result is the caller's own: later images do not change it", async () => {
  const classifier = await create(mixed);
  const first = await classifier.classify(image(0));
  const copy = structuredClone(first);
  for (let i = 1; i < 10; i++) await classifier.classify(image(i));
  expect(first).toEqual(copy);
});

describe("the dial in MACs", () => {
  // the calibration of `modelOf`: 1234.5 MACs at lambda 0.01, 333.3 at lambda 1
  test("is the smallest lambda that keeps within the budget, at load and later", async () => {
    expect((await create(mixed, [], { budgetMacs: 1234.5 })).lambda).toBe(0.01);
    const classifier = await create(mixed, [], { budgetMacs: 1234 });
    expect(classifier.lambda).toBe(1);
    classifier.keepWithin(2000);
    expect(classifier.lambda).toBe(0.01);
    expect(() => classifier.keepWithin(333)).toThrow("budget: at least 0.00 million MACs expected");
    expect(classifier.lambda).toBe(0.01);
  });

  test("needs a policy priced in MACs; what is spent is counted in MACs anyway", async () => {
    const model = modelOf(mixed);
    const costs = { exitMacs: [0.1, 0.2, 0.4], fullMacs: 0.35 };
    const priced = { ...model, policy: { ...model.policy, costs, costUnit: "ms" } };
    const decode = () => Promise.reject(new Error("no decoder expected"));
    const runtime = createNodeRuntime({ threads: 1 });
    await expect(AdaptiveClassifier.create<never>(runtime, priced, decode, { budgetMacs: 1e6 })).rejects.toThrow(
      "classifier: a policy priced in MACs expected for budgetMacs, found ms; give a lambda",
    );
    const classifier = await AdaptiveClassifier.create<never>(runtime, priced, decode);
    open.push(classifier);
    const { exit, costMacs } = await classifier.classify(image(0));
    expect(costMacs).toBe(model.policy.costs.exitMacs[exit - 1]);
  });

  test("is not turned twice", async () => {
    await expect(create(mixed, [], { lambda: 0.1, budgetMacs: 1e6 })).rejects.toThrow(
      "classifier: lambda or budgetMacs expected, found both",
    );
  });
});

test("an image that cannot be read is the trouble of its own call", async () => {
  const classifier = await create(onward, [5, 5, 5]);
  const fine = classifier.classify(image(0));
  const broken = classifier.classify("no decoder" as never);
  await expect(broken).rejects.toThrow("no decoder expected");
  expect((await fine).exit).toBe(3);
  expect((await classifier.classify(image(1))).exit).toBe(3);
});

describe("closing", () => {
  test("waits for the calls under way, may be repeated, and refuses what comes later", async () => {
    const classifier = await create(onward, [5, 5, 5]);
    const underWay = classifier.classify(image(0));
    const closing = classifier.close();
    expect(classifier.close()).toBe(closing);
    await expect(classifier.classify(image(1))).rejects.toThrow(TypeError);
    await closing;
    expect((await underWay).exit).toBe(3);
    await expect(classifier.prepareStages()).rejects.toThrow(TypeError);
    await expect(classifier.classifyBatch([image(1)])).rejects.toThrow(
      "classifier: an open one expected, found a closed one; load it again",
    );
    await classifier.close();
  });
});

test("closing frees every session, those of the stages too where there are some", async () => {
  for (const stages of [0, EXITS]) {
    let [made, released] = [0, 0];
    const runtime = createNodeRuntime({ threads: 1 });
    const counting: Runtime = {
      ...runtime,
      createSession: async (...args) => {
        const session = await runtime.createSession(...args);
        made++;
        const release = session.release.bind(session);
        session.release = () => {
          released++;
          return release();
        };
        return session;
      },
    };
    const decode = () => Promise.reject(new Error("no decoder expected"));
    const classifier = await AdaptiveClassifier.create<never>(counting, modelOf(mixed), decode);
    if (stages > 0) await classifier.classifyBatch([image(0), image(1)]);
    await classifier.close();
    expect([made, released]).toEqual([1 + stages, 1 + stages]);
  }
});

test("10,000 images leave no memory behind", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external; // external holds the array buffers
  };
  const classifier = await create(mixed);
  const classifyAll = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await classifier.classify(image(i % 40));
  };
  await classifyAll(2000);
  const [before, residentBefore] = [used(), process.memoryUsage.rss()];
  await classifyAll(10_000);
  const [after, residentAfter] = [used(), process.memoryUsage.rss()];
  // One trace kept per image would be some 400 bytes each: 4 MB. Pages of the process itself come and go in larger steps.
  expect(after - before).toBeLessThan(1.5e6);
  expect(residentAfter - residentBefore).toBeLessThan(40e6);
}, 60_000);
