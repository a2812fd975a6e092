// Runs every command of the README's ```sh blocks, in their order, as a newcomer would: each must succeed.
// A block that needs the network, images of your own or an hour is fenced as ```console instead, and is not run.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(`${root}README.md`, "utf8");
const commands = [...readme.matchAll(/^```sh\n(.*?)^```/gms)]
  .flatMap(([, block]) => block.split("\n"))
  .map((line) => line.replace(/\s+#.*$/, "").trim())
  .filter((line) => line !== "" && !line.startsWith("#"));

if (commands.length === 0) throw new Error("README.md: commands in ```sh blocks expected, found none");
for (const command of commands) {
  if (command === "npm test") {
    process.stdout.write("\n$ npm test (runs as a step of its own, see .ci/run)\n");
    continue;
  }
  process.stdout.write(`\n$ ${command}\n`);
  const started = performance.now();
  const { status } = spawnSync(command, { cwd: root, shell: true, stdio: ["ignore", "inherit", "inherit"] });
  process.stdout.write(`(${((performance.now() - started) / 1000).toFixed(0)} s)\n`);
  if (status !== 0) {
    process.stderr.write(`README.md: exit code 0 expected from '${command}', found ${status}\n`);
    process.exit(1);
  }
}
process.stdout.write(`\n${commands.length} commands of the README passed\n`);
