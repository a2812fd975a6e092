// Packs both packages, installs them into empty projects and uses them there: the import, the types, the command and the service must
// work, and whoever ends up without a runtime is told so, with a cure that works.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const packed = mkdtempSync(join(tmpdir(), "earlyexit-packed-"));
const folder = mkdtempSync(join(tmpdir(), "earlyexit-package-"));
const COMMAND = "node_modules/earlyexit/dist/cli/main.js";
const MOST_BYTES = 15e6;
const QUIET = ["--silent", "--no-audit", "--no-fund"];

const run = (command, args, cwd = folder) => {
  process.stdout.write(`$ ${command} ${args.join(" ")}\n`);
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
};
const ended = (command, args, env = {}) =>
  spawnSync(command, args, { cwd: folder, encoding: "utf8", env: { ...process.env, ...env } });

function expect(what, found, isRight) {
  if (!isRight) throw new Error(`package: ${what} expected, found ${found}`);
  process.stdout.write(`${what}: ok\n`);
}

/** The archive's path. */
function pack(from) {
  const told = JSON.parse(run("npm", ["pack", "--silent", "--json", "--pack-destination", packed], from));
  const [{ filename, unpackedSize }] = Object.values(told); // a list, or by name, as npm's release has it
  const size = `${(unpackedSize / 1e6).toFixed(1)} MB`;
  expect(`${filename} (${size}) of at most ${MOST_BYTES / 1e6} MB unpacked`, size, unpackedSize <= MOST_BYTES);
  return join(packed, filename);
}

/** The page finds ONNX Runtime's binary without `onnxruntime-web`. */
async function checkPage() {
  const server = spawn("node", [COMMAND, "ui", "--port", "0"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const url = await new Promise((resolve, reject) => {
      server.stdout.setEncoding("utf8").once("data", (text) => resolve(text.trim()));
      server.once("exit", (code) => reject(new Error(`package: a page expected, found exit code ${code}`)));
    });
    const scripts = readdirSync(join(folder, "node_modules/earlyexit/dist/page/assets"));
    const worker = readFileSync(
      join(
        folder,
        "node_modules/earlyexit/dist/page/assets",
        scripts.find((name) => name.startsWith("ort.wasm")),
      ),
      "utf8",
    );
    const [name] = /onnxruntime-[\d.]+\/ort-wasm-simd-threaded\.wasm/.exec(worker) ?? [];
    const response = await fetch(new URL(`assets/${name}`, url));
    const start = new Uint8Array(await response.arrayBuffer()).subarray(1, 4);
    const found = new TextDecoder().decode(start);
    expect(`assets/${name} of the page is WebAssembly`, `${response.status} ${found}`, found === "asm");
    const devices = await (await fetch(new URL("api/devices", url))).text();
    expect("the page offers WebAssembly alone", devices, devices === '["wasm"]');
  } finally {
    server.kill("SIGTERM");
  }
}

function checkCore() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const cli = run("npx", ["--no-install", "earlyexit", "--version"]).trim();
  expect(`the command prints version ${version}`, cli, cli === version);
  writeFileSync(
    join(folder, "use.mjs"),
    `import { blueprintStages, builtInBlueprint, createNodeRuntime, openDataset } from "earlyexit";
     const { fullMacs } = blueprintStages(builtInBlueprint("classic"), 10);
     const { test } = await openDataset("shapes");
     console.log(fullMacs > 209e6, test.count, createNodeRuntime().device);`,
  );
  const used = run("node", ["use.mjs"]).trim();
  expect("the import works", used, used === "true 2000 cpu");
  const models = ["cifar10", "shapes"].flatMap((name) => [
    `models/${name}/model.json`,
    `models/${name}/validation.safetensors`, // evaluate, serve and --precise need it
  ]);
  const shipped = ["dist/page/index.html", ...models];
  const missing = shipped.filter((file) => !existsSync(join(folder, "node_modules/earlyexit", file)));
  expect("the page and its models come along", `none of ${missing}`, missing.length === 0);
  writeFileSync(
    join(folder, "web.mjs"),
    'import { AdaptiveClassifier } from "earlyexit/web"; console.log(typeof AdaptiveClassifier.load);',
  );
  const imported = run("node", ["web.mjs"]).trim();
  expect("earlyexit/web is there", imported, imported === "function");
}

function checkService(archive) {
  const without = ended("node", [COMMAND, "serve", "--model", "node_modules/earlyexit/models/shapes"]);
  const isTold = without.stderr.includes("npm install @earlyexit/server") && without.status === 2;
  expect("without the service its way of installing is told", without.stderr, isTold);
  run("npm", ["install", ...QUIET, "--ignore-scripts", archive]);
  const help = run("npx", ["--no-install", "earlyexit", "serve", "--help"]);
  expect("with it, it is loaded", help, help.includes("--model DIR"));
}

/** Runs what the message puts between quotes. */
function follow(message) {
  const [, cure] = /run '(npm install [^']+)'/.exec(message) ?? [];
  expect("the message names a command", message, cure !== undefined);
  run("npm", [...cure.split(" ").slice(1), ...QUIET]);
  const again = run("node", ["use.mjs"]).trim();
  expect("after which it works", again, again === "true 2000 cpu");
}

function checkMissingRuntime() {
  const ort = join(folder, "node_modules/onnxruntime-node");
  const tell = () => {
    const command = ended("node", [COMMAND, "classify", "x.jpg"]);
    const api = ended("node", ["use.mjs"]);
    expect("exit code 2 of the command", command.status, command.status === 2);
    expect("a UserError of the API", api.stderr, /^UserError: runtime: /m.test(api.stderr));
    return command.stderr;
  };
  rmSync(ort, { recursive: true });
  const none = tell();
  expect(
    "the missing package is named",
    none,
    none.startsWith("earlyexit: runtime: the package onnxruntime-node expected"),
  );
  follow(none);
  rmSync(join(ort, "bin"), { recursive: true });
  const broken = tell();
  expect(
    "the missing binding is named",
    broken,
    broken.startsWith("earlyexit: runtime: the binding of onnxruntime-node"),
  );
  rmSync(ort, { recursive: true }); // as it says
  follow(broken);
}

/** Where the script of onnxruntime-node fails, so does the installation: nobody ends up without a runtime in silence. */
function checkFailingScript(archive) {
  rmSync(join(folder, "node_modules"), { recursive: true });
  rmSync(join(folder, "package-lock.json"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  const nowhere = { GLOBAL_AGENT_HTTPS_PROXY: "http://127.0.0.1:9", GLOBAL_AGENT_HTTP_PROXY: "http://127.0.0.1:9" };
  const env = { ...nowhere, ONNXRUNTIME_NODE_INSTALL: "cuda12", npm_config_ignore_scripts: "false" };
  const failed = ended("npm", ["install", "--no-audit", "--no-fund", archive], env);
  const hasRuntime = existsSync(join(folder, "node_modules/onnxruntime-node/bin"));
  expect("an installation that fails, or has a runtime", failed.stdout, failed.status !== 0 || hasRuntime);
  process.stdout.write(`(npm install where the script fails: exit code ${failed.status}, runtime ${hasRuntime})\n`);
  run("npm", ["install", ...QUIET, "--ignore-scripts", archive]);
  const used = run("node", ["use.mjs"]).trim();
  expect("without scripts it works", used, used === "true 2000 cpu");
}

try {
  const archive = pack(root);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  run("npm", ["install", ...QUIET, "--ignore-scripts", archive]);
  checkCore();
  await checkPage();
  checkService(pack(join(root, "service")));
  checkMissingRuntime();
  checkFailingScript(archive);
} finally {
  for (const one of [folder, packed]) rmSync(one, { recursive: true, force: true });
}
