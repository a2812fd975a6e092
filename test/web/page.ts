/** What the test drives in the browser: the package as a page imports it. */
import { AdaptiveClassifier, type ClassifierOptions, type RawImage } from "../../src/web.ts";

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

Object.assign(globalThis, { earlyexitTest: { classifyAll, classifyFile } });
