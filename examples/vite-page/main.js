import { AdaptiveClassifier } from "earlyexit/web";

const [file, dial, answer] = ["file", "lambda", "answer"].map((id) => document.getElementById(id));
const classifier = await AdaptiveClassifier.load("/model");
answer.textContent = "Choose a picture: it does not leave this page.";

async function look() {
  const [picture] = file.files;
  if (!picture) return;
  classifier.lambda = 10 ** Number(dial.value);
  try {
    const { label, confidence, reason } = await classifier.classify(picture);
    answer.textContent = `${label} (${(100 * confidence).toFixed(0)}%): ${reason}`;
  } catch (error) {
    answer.textContent = error.message;
  }
}
file.addEventListener("change", look);
dial.addEventListener("change", look);
