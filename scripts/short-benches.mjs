// Every `bench:*` script in its short form: whether it runs to the end, not how fast things are. After a build: they do not build again.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** What makes each of them short. */
const MODEL = ["--model", "models/shapes"];
const SHORT = {
  "bench:train": ["--short"],
  "bench:int8": ["compact", "--batch", "1", "--rounds", "2"],
  "bench:tuning": ["--short"],
  "bench:blueprints": ["--size", "32", "--turns", "1", "--steps", "2"],
  "bench:page": ["--short"],
  "bench:pictures": ["--short", "--count", "2000"],
  "bench:policy": ["--short", ...MODEL],
  "bench:policy-shift": ["--short", ...MODEL],
  "bench:feedback": ["--short", ...MODEL],
  "bench:memory": ["--minutes", "0.2", ...MODEL],
  "bench:queue": ["--short", "--workers", "4"],
  "bench:serve": ["--short", ...MODEL],
};

const { scripts } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
for (const name of Object.keys(scripts).filter((one) => one.startsWith("bench:"))) {
  const short = SHORT[name];
  if (!short) throw new Error(`${name}: options that make it short expected here, found none`);
  const program = /^(?:npm run --silent build && )?tsx (\S+)$/.exec(scripts[name])?.[1];
  if (!program) throw new Error(`${name}: 'npm run --silent build && tsx FILE' expected, found '${scripts[name]}'`);
  process.stdout.write(`\n$ npm run --silent ${name} -- ${short.join(" ")}\n`);
  const started = performance.now();
  const { status } = spawnSync(process.execPath, ["--import", "tsx", program, ...short], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  process.stdout.write(`(${((performance.now() - started) / 1000).toFixed(0)} s)\n`);
  if (status !== 0) throw new Error(`${name}: exit code 0 expected, found ${status}`);
}
