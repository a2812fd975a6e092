// What `npm start` promises of its result: exits that differ, and an agent that uses them.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("../runs/shapes-tiny/model.json", import.meta.url));
const { exits } = JSON.parse(readFileSync(path, "utf8")).figures;
const gap = exits.at(-1).accuracyIfAlways - exits[0].accuracyIfAlways;
const used = exits.filter(({ share }) => share >= 0.01).length;

function expect(what, found, holds) {
  if (!holds) throw new Error(`first run: ${what} expected, found ${found}`);
  process.stdout.write(`${what}: ${found}\n`);
}

expect("the last exit at least 0.15 better than the first", gap.toFixed(3), gap >= 0.15);
expect("at least three exits that the agent uses", used, used >= 3);
