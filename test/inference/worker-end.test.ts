/** A thread that classifies is ended by a message (docs/in-code.md): `worker.terminate()` would end the whole process. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "earlyexit-worker-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The worker of the documentation, as it stands there. */
function documented(): string {
  const text = readFileSync(join(root, "docs/in-code.md"), "utf8");
  const [, code] = /```js\n(\/\/ worker\.mjs\n.*?)```/s.exec(text)!;
  return code!
    .replace('"earlyexit"', JSON.stringify(join(root, "dist/index.js")))
    .replace('"cifar10"', JSON.stringify(join(root, "models/shapes")));
}

/** Ends workers while they load, while they compute and while they wait; says how many ended in order. */
const MAIN = `
  import { Worker } from "node:worker_threads";
  const ended = [];
  for (const [answers, pause] of [[0, 5], [0, 60], [1, 0], [3, 0], [1, 100], [0, 300]]) {
    const worker = new Worker(new URL("worker.mjs", import.meta.url));
    let answered = 0;
    for (let i = 0; i < 20; i++) worker.postMessage({ id: i, image: { pixels: new Uint8Array(3072).fill(i) } });
    const code = await new Promise((done) => {
      const close = () => setTimeout(() => worker.postMessage("close"), pause);
      worker.on("message", () => { if (++answered === answers) close(); });
      if (answers === 0) close();
      worker.on("exit", done);
    });
    ended.push([code, answered]);
  }
  console.log(JSON.stringify(ended));`;

test("the process lives on, every picture that was sent before is answered, and every thread ends with code 0", () => {
  writeFileSync(join(folder, "worker.mjs"), documented());
  writeFileSync(join(folder, "main.mjs"), MAIN);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, "main.mjs")], {
    encoding: "utf8",
    timeout: 120_000,
  });
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual(new Array(6).fill([0, 20]));
});
