// A folder of photographs, one folder per class, becomes a classifier that names others: npm start -- photos/ new/
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { AdaptiveClassifier, evaluate, learnPolicy, openDataset, saveModel, trainNetwork, UserError } from "earlyexit";

const MODEL = "model";
const { EPOCHS } = process.env; // fewer than the recipe's, for a quick look

/** Size, network, start and recipe are chosen for the pictures. */
async function learn(photos) {
  const data = await openDataset(photos, { onNote: console.log });
  const counts = [data.train, data.validation, data.test].map((part) => part?.count ?? 0);
  console.log(`${data.classes.join(", ")}; ${counts.join(" / ")} pictures to train, validate, test`);
  const network = await trainNetwork({
    data,
    ...(EPOCHS ? { epochs: Number(EPOCHS) } : {}),
    onProgress: ({ step, steps, loss, secondsLeft }) => {
      if (step % 50 === 0 || step === steps)
        console.log(`step ${step} of ${steps}, loss ${loss.toFixed(2)}, ${Math.ceil(secondsLeft / 60)} minutes left`);
    },
  });
  const policy = await learnPolicy({ network, data });
  const figures = await evaluate({ network, policy, data });
  for (const warning of policy.choice.warnings) console.log(`warning: ${warning}`);
  console.log(
    `on ${figures.samples} other pictures: ${(100 * figures.accuracy).toFixed(1)}% right, ${(100 * figures.savings).toFixed(0)}% of the computing saved`,
  );
  await saveModel(MODEL, { network, policy, figures });
}

/** The pictures of a folder, or a picture. */
function pictures(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .sort();
}

const [photos, ...others] = process.argv.slice(2);
try {
  if (!photos) throw new UserError("index.js: a folder of photographs expected, found none; npm start -- photos/ new/");
  if (existsSync(MODEL)) console.log(`${MODEL}/ is there already: remove it to learn anew`);
  else await learn(photos);
  const classifier = await AdaptiveClassifier.load(MODEL);
  for (const path of others.flatMap(pictures)) {
    try {
      const { label, confidence, exit } = await classifier.classify(path);
      console.log(`${path}: ${label} (${(100 * confidence).toFixed(0)}%), exit ${exit}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      console.log(error.message); // what was expected, what was found, what to do; the next picture may be one
    }
  }
  await classifier.close();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
