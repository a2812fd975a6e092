/** What the test drives in the browser: the package as a page imports it. */
import { createSamples } from "../../src/dataset/dataset.ts";
import type { BlueprintNetwork } from "../../src/network/blueprint-network.ts";
import { integer, seededRandom } from "../../src/random.ts";
import {
  AdaptiveClassifier,
  type ClassifierOptions,
  createWebRuntime,
  type RawImage,
  trainNetwork,
  type WebRuntimeOptions,
} from "../../src/web.ts";

type Picture = { readonly data: readonly number[]; readonly width: number; readonly height: number };
interface Asked {
  readonly address: string;
  readonly options: ClassifierOptions;
  readonly pictures: readonly Picture[];
}

async function classifyAll({ address, options, pictures }: Asked) {
  const classifier = await AdaptiveClassifier.load(address, options);
  try {
    const images = pictures.map((one): RawImage => ({ ...one, data: Uint8ClampedArray.from(one.data) }));
    const batch = await classifier.classifyBatch(images);
    const single = await classifier.classify(images[0]!, { deadlineMs: 0 });
    const results = batch.map(({ probabilities, ...rest }) => ({ ...rest, probabilities: [...probabilities] }));
    return { results, stoppedBy: single.stoppedBy, imagesComputed: classifier.imagesComputed };
  } finally {
    await classifier.close();
  }
}

/** One file as the browser decodes it: by its address, as a blob and as bytes. */
async function classifyFile(model: string, file: string) {
  const classifier = await AdaptiveClassifier.load(model, {});
  const blob = await (await fetch(file)).blob();
  const images = [file, blob, new Uint8Array(await blob.arrayBuffer())];
  const results = await classifier.classifyBatch(images);
  await classifier.close();
  return results.map(({ classIndex, exit, confidence }) => ({ classIndex, exit, confidence }));
}

/** Four steps on noise: the losses, and every weight that is kept. */
async function trainSmall(options: WebRuntimeOptions) {
  const random = seededRandom(1);
  const noise = Uint8Array.from({ length: 32 * 64 }, () => integer(random, 0, 255));
  const samples = createSamples(
    noise,
    Uint16Array.from({ length: 32 }, (_, i) => i % 2),
  );
  const head = [{ type: "globalAveragePool" as const }, { type: "linear" as const, features: "classes" as const }];
  const layers = [{ type: "conv" as const, channels: 8 }, { type: "batchNorm" as const }, { type: "relu" as const }];
  const losses: number[] = [];
  const trained = await trainNetwork({
    runtime: await createWebRuntime(options),
    data: {
      name: "noise",
      imageShape: [1, 8, 8],
      classes: ["a", "b"],
      train: samples,
      validation: samples,
      test: samples,
    },
    blueprint: {
      name: "small",
      input: [1, 8, 8],
      stages: [
        { layers: [{ type: "whitening", channels: 8 }, { type: "relu" }, ...layers], head },
        { layers, head },
      ],
    },
    recipe: { epochs: 1, batchSize: 8, averageDecay: 0.9, augmentation: { padding: 0 } },
    seed: 1,
    onProgress: ({ loss }) => losses.push(loss),
  });
  return { losses, weights: [...(trained as BlueprintNetwork).weights.values()].flatMap(({ data }) => [...data]) };
}

Object.assign(globalThis, { earlyexitTest: { classifyAll, classifyFile, trainSmall } });
