// The whole story in code, on the drawn set, in about ten seconds: node examples/pipeline.mjs
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AdaptiveClassifier, evaluate, learnPolicy, openDataset, saveModel, trainNetwork } from "earlyexit";

const data = await openDataset("shapes");
const network = await trainNetwork({
  data,
  blueprint: "tiny",
  recipe: { epochs: 0.5, batchSize: 64, learningRate: 0.05 },
  onProgress: ({ step, steps, loss }) => {
    if (step % 20 === 0) console.log(`step ${step} of ${steps}, loss ${loss.toFixed(3)}`);
  },
});
const policy = await learnPolicy({ network, data, options: { steps: 1000 } });
const figures = await evaluate({ network, policy, data });
console.log(`accuracy ${(100 * figures.accuracy).toFixed(1)}%, savings ${(100 * figures.savings).toFixed(1)}%`);

const folder = join(mkdtempSync(join(tmpdir(), "earlyexit-")), "model");
await saveModel(folder, { network, policy, figures });
const classifier = await AdaptiveClassifier.load(folder, { lambda: 0.05 });
const [picture] = await classifier.classifyPixels(data.test.pixels.read(0, 1));
console.log(
  `the first test picture: ${picture.label} at exit ${picture.exit}; it is a ${data.classes[data.test.labels[0]]}`,
);
classifier.lambda = 0.5; // the dial: cheaper from now on
await classifier.close();
