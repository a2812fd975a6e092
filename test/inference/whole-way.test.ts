/** The way that an image did not go. */
import { expect, test } from "vitest";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import { openWholeWay } from "../../src/inference/whole-way.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { EXITS, handMadeAgent, IMAGE_SIZE, modelOf, wavyPixels } from "./small.ts";

const COUNT = 30;
const LAMBDA = 0.1;
const runtime = createNodeRuntime({ threads: 1 });
const pixels = wavyPixels(COUNT, 5);
const images = Array.from({ length: COUNT }, (_, i) => pixels.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE));

const noPicture = () => Promise.reject(new TypeError("pixels expected"));

test("as far as an image went it is told the same; behind that is what it would have been told had it gone on", async () => {
  const mixed = modelOf(handMadeAgent({ scale: 2, seed: 7 }));
  const onward = modelOf(handMadeAgent({ biases: [1000, 0] })); // nobody leaves before the last exit
  const classifier = await AdaptiveClassifier.create<never>(runtime, mixed, noPicture, { lambda: LAMBDA });
  const everywhere = await AdaptiveClassifier.create<never>(runtime, onward, noPicture, { lambda: LAMBDA });
  const whole = openWholeWay(runtime, mixed.network, mixed.policy!);
  const exits = new Set<number>();
  for (const one of images) {
    const traces = await whole.traces(one, LAMBDA);
    const { trace, exit } = await classifier.classify({ pixels: one });
    const through = (await everywhere.classify({ pixels: one })).trace;
    exits.add(exit);
    expect(traces).toHaveLength(EXITS);
    expect(traces.findIndex(({ exited }) => exited) + 1).toBe(exit);
    expect(traces.filter(({ exited }) => exited)).toHaveLength(1);
    for (const [k, told] of traces.entries()) {
      expect(told.classIndex).toBe(through[k]!.classIndex);
      expect(told.confidence).toBeCloseTo(through[k]!.confidence, 5);
      if (k < trace.length) expect(told.qContinue ?? 0).toBeCloseTo(trace[k]!.qContinue ?? 0, 4);
    }
  }
  expect(exits.size).toBeGreaterThan(1); // or nothing was compared behind an exit
  await Promise.all([classifier.close(), everywhere.close(), whole.close()]);
});

test("the full network is timed; closing it again, and closing what was never used, is allowed", async () => {
  const model = modelOf(handMadeAgent({}));
  const whole = openWholeWay(runtime, model.network, model.policy!);
  const ms = await whole.timeFull(images[0]!);
  expect(ms).toBeGreaterThan(0);
  expect(ms).toBeLessThan(1000); // a few thousand multiplications; seconds would be the making of the session
  await whole.close();
  await openWholeWay(runtime, model.network, model.policy!).close();
});
