// The visitor's pictures, classified by a model of one's own. They do not leave the page.
import { AdaptiveClassifier } from "earlyexit/web";

const [files, says, answers] = ["files", "says", "answers"].map((id) => document.getElementById(id));
const classifier = await AdaptiveClassifier.load("/model");
says.textContent = "Choose pictures: they stay on this computer.";
files.disabled = false;

/** A picture with what it shows, and where the network stopped. */
async function show(file) {
  const [figure, image, caption] = ["figure", "img", "figcaption"].map((tag) => document.createElement(tag));
  image.src = URL.createObjectURL(file);
  image.alt = file.name;
  try {
    const { label, confidence, reason } = await classifier.classify(file);
    caption.textContent = `${label} (${(100 * confidence).toFixed(0)}%)`;
    caption.title = reason;
  } catch (error) {
    caption.textContent = error.message; // what was expected, what was found, what to do
  }
  figure.append(image, caption);
  answers.prepend(figure);
}

files.addEventListener("change", async () => {
  files.disabled = true;
  for (const file of files.files) await show(file);
  says.textContent = `${files.files.length} looked at`;
  files.disabled = false;
});
