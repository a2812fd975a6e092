// Pictures given on the command line, or three drawings: npm start
import { fileURLToPath } from "node:url";
import { AdaptiveClassifier, type Classification, UserError } from "earlyexit";

const drawings = ["circle", "cross", "star"].map((name) => `../../pictures/${name}.png`);
const own = drawings.map((path) => fileURLToPath(new URL(path, import.meta.url)));
const pictures = process.argv.length > 2 ? process.argv.slice(2) : own;
const classifier = await AdaptiveClassifier.load("shapes"); // "cifar10" for photos of ten kinds of things, or a folder of your own

const say = ({ label, confidence, exit, reason }: Classification): string =>
  `${label} (${(100 * confidence).toFixed(0)}%), exit ${exit}: ${reason}`;

for (const picture of pictures) {
  try {
    console.log(`${picture}: ${say(await classifier.classify(picture))}`);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(error.message); // what was expected, what was found, what to do
    process.exitCode = 2;
  }
}

const together = await classifier.classifyBatch(pictures); // faster: those that go on are gathered
const exits = together.map(({ exit }) => exit);
classifier.lambda = 1; // the dial: computing is now dearer, sure pictures leave earlier
const cheaper = (await classifier.classifyBatch(pictures)).map(({ exit }) => exit);
console.log(`exits ${exits.join(", ")} at the recommended lambda, ${cheaper.join(", ")} at 1`);
await classifier.close();
