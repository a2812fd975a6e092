// Every command of the README and of docs/*.md as a newcomer types it: in an empty folder, with the packages as they are packed, on pictures,
// a network and tables that are made here. Trainings are cut short; what is not run is listed with its reason.
// `node scripts/guide-commands.mjs [docs/your-pictures.md ..]`: what a guide takes from another one is made first.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeSafetensors } from "../dist/files/safetensors.js";
import { serialize } from "../dist/graph/onnx.js";
import { loadModel, VERSION } from "../dist/index.js";
import { fullNetworkGraph } from "../dist/inference/stage-programs.js";
import { CLASSES, drawPictures } from "./draw-pictures.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "earlyexit-guides-"));
const inFolder = (...parts) => join(folder, ...parts);

/** Not run, and why. */
const SKIPPED = [
  [/^npm (start|test|run)\b/, "a step of its own in CI"],
  [/^npm install\b/, "done before: with the packages as they are packed"],
  [/--dataset cifar10|cifar-10-binary|data download/, "downloads 170 MB"],
  [/^npx esbuild|^cp node_modules\/onnxruntime-web/, "scripts/check-bundlers.mjs does it"],
  [/--queue redis:/, "needs a broker: service/test/queue.test.ts"],
  [/^curl /, "needs a service beside it: service/test"],
];
/** Trainings see each picture once, small; agents take few steps. */
const SHORT = [
  [/^npx earlyexit run --dataset shapes/, ["--steps 50"]],
  [/^npx earlyexit attach .*--tune/, ["--epochs 1", "--exits 2", "--steps 50"]],
  [/^npx earlyexit attach/, ["--exits 2", "--steps 50"]],
  [/^npx earlyexit learn/, ["--steps 50"]],
  [/^npx earlyexit run (?!.*--resume)/, ["--epochs 1", "--size 32", "--blueprint tiny", "--from none", "--steps 50"]],
];
/** What one guide makes and others use: by the folder, how. */
const MADE = {
  "runs/shapes-tiny": "mkdir -p runs && cp -r node_modules/earlyexit/models/shapes runs/shapes-tiny", // what npm start makes is like it
  "runs/mine": "npx earlyexit run --data photos/ --out runs/mine",
  "runs/other": "cp -r runs/photos-seed1 runs/other",
  "models/mine": "npx earlyexit attach --network network.onnx --data photos/ --calibrate new-photos/ --out models/mine",
  policy: "npx earlyexit learn --table validation.safetensors --test-table test.safetensors --out policy",
};
const SERVERS = /^npx earlyexit (ui|serve)\b/;
const PER_CLASS = 110;
/** The names that stand for the reader's own. */
const OWN = [
  [/--model DIR\b/, "--model runs/mine"],
  [/--seeds 1,2,3\b/, "--seeds 1,2"],
];

/** Stored, not compressed: JPEG files do not get smaller. */
function zipOf(files) {
  const [parts, index] = [[], []];
  let at = 0;
  for (const [name, bytes] of files) {
    const title = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0); // version; flags, method, time: 0
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(title.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, title, bytes]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    index.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x00"), common, rest, title]));
    parts.push(local);
    at += local.length;
  }
  const entries = Buffer.concat(index);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(entries.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...parts, entries, Buffer.from("PK\x05\x06"), end]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** All that the guides speak of. */
async function makeMaterial() {
  await drawPictures(inFolder("photos"), PER_CLASS, { seed: 1 });
  await drawPictures(inFolder("new-photos"), 130, { seed: 2 }); // a tenth is its test part, and a policy takes 50
  await drawPictures(inFolder("more"), 2, { seed: 3 });
  mkdirSync(inFolder("new"));
  cpSync(inFolder("more/star/star-1.jpg"), inFolder("new/one.jpg"));
  cpSync(inFolder("more/circle/circle-1.jpg"), inFolder("photo.jpg"));
  const names = CLASSES.flatMap((name) => readdirSync(inFolder("photos", name)).map((file) => `${name}/${file}`));
  const files = names.map((name) => [name, readFileSync(inFolder("photos", name))]);
  writeFileSync(inFolder("photos.zip"), zipOf(files));
  mkdirSync(inFolder("kaggle"));
  for (const [name, bytes] of files) writeFileSync(inFolder("kaggle", name.split("/")[1]), bytes);
  const lines = names.map((name) => `${name.split("/")[1]},${name.split("/")[0]}`);
  writeFileSync(inFolder("kaggle/labels.csv"), `file,label\n${lines.join("\n")}\n`);
  const { network, policy } = await loadModel("shapes");
  const { bytes } = serialize(fullNetworkGraph(network));
  for (const name of ["network", "resnet50", "resnet56"]) writeFileSync(inFolder(`${name}.onnx`), bytes);
  writeFileSync(inFolder("resnet56.labels.txt"), `${network.classes.join("\n")}\n`);
  const sweep = {
    config: { data: "photos", blueprint: "tiny", epochs: 1, from: "none", size: 32 },
    axes: { seed: [1, 2] },
  };
  writeFileSync(inFolder("sweep.json"), JSON.stringify(sweep));
  cpSync(join(root, "models/shapes"), inFolder("models/large"), { recursive: true });
  writeTables(policy);
}

/** The exit table of the shipped model in three parts. */
function writeTables({ validation: { logits, labels, count, exits, classes }, costs }) {
  const third = Math.floor(count / 3);
  for (const [part, name] of ["validation", "test", "new"].entries()) {
    const [from, to] = [part * third, (part + 1) * third];
    const width = exits * classes;
    const arrays = new Map([
      ["logits", { shape: [third, exits, classes], data: logits.slice(from * width, to * width) }],
      ["labels", { shape: [third], data: Int32Array.from(labels.slice(from, to)) }],
      ["costs", { shape: [exits], data: Float32Array.from(costs.exitMacs) }],
    ]);
    writeFileSync(inFolder(`${name}.safetensors`), encodeSafetensors(arrays));
  }
}

function installPackages() {
  writeFileSync(inFolder("package.json"), JSON.stringify({ name: "guides", private: true, type: "module" }));
  const pack = (from) =>
    execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: from, encoding: "utf8" }).trim();
  const archives = [pack(root), pack(join(root, "service"))].map((name) => inFolder(name.split("\n").at(-1)));
  const install = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", ...archives];
  execFileSync("npm", install, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
}

function commandsOf(file) {
  return [...readFileSync(join(root, file), "utf8").matchAll(/^```(?:sh|console)\n(.*?)^```/gms)]
    .flatMap(([, block]) => block.split("\n"))
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** With what makes a training short, unless the command says otherwise itself. */
function shortened(given) {
  const command = OWN.reduce((text, [pattern, own]) => text.replace(pattern, own), given);
  const [, options = []] = SHORT.find(([pattern]) => pattern.test(`${command} `)) ?? [];
  return [command, ...options.filter((one) => !command.includes(one.split(" ")[0]))].join(" ");
}

/** Such a command reads the folder. */
const uses = (command, folder) => new RegExp(`(--(model|run)|compare( \\S+)*) ${folder}(?![\\w-])`).test(command);

/** @param given what is about to be run */
async function makeFor(given) {
  for (const [name, how] of Object.entries(MADE))
    if (given !== how && uses(given, name) && !existsSync(inFolder(name))) await runCommand("(made first)", how);
}

const done = new Set();
const env = { ...process.env, XDG_CACHE_HOME: inFolder("cache") };

/** One that stays: it must say its address and end at SIGTERM. */
async function serve(command) {
  const [, ...args] = command.replace("npx earlyexit", "node node_modules/earlyexit/dist/cli/main.js").split(" ");
  const child = spawn("node", [...args.map((one) => one.replace(/^\d{4}$/, "0"))], { cwd: folder, env });
  try {
    await new Promise((found, failed) => {
      child.stdout.setEncoding("utf8").on("data", (text) => /http:/.test(text) && found());
      child.stderr.setEncoding("utf8").on("data", (text) => process.stderr.write(text));
      child.once("exit", (code) => failed(new Error(`${command}: a server expected, found exit code ${code}`)));
    });
  } finally {
    child.kill("SIGTERM");
  }
}

async function runCommand(file, given) {
  const [, reason] = SKIPPED.find(([pattern]) => pattern.test(given)) ?? [];
  if (reason) return process.stdout.write(`  skipped: ${given} (${reason})\n`);
  if (done.has(given)) return process.stdout.write(`  run before: ${given}\n`);
  done.add(given);
  const command = shortened(given);
  await makeFor(command);
  const [, made] = /^npx earlyexit attach .*--out (\S+)/.exec(command) ?? [];
  if (made) rmSync(inFolder(made), { recursive: true, force: true }); // another guide's, which it would rightly not replace
  const started = performance.now();
  if (SERVERS.test(command)) await serve(command);
  else {
    const { status, stderr } = spawnSync(command, { cwd: folder, env, shell: true, encoding: "utf8" });
    if (status !== 0) throw new Error(`${file}: exit code 0 expected from '${command}', found ${status}:\n${stderr}`);
  }
  process.stdout.write(`  ${command} (${((performance.now() - started) / 1000).toFixed(0)} s)\n`);
}

try {
  process.stdout.write(`earlyexit ${VERSION}, in ${folder}\n`);
  installPackages();
  await makeMaterial();
  const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
  const chosen =
    process.argv.length > 2
      ? process.argv.slice(2)
      : ["README.md", ...guides.map((name) => `docs/${name}`), "service/README.md"];
  for (const file of chosen) {
    process.stdout.write(`${file}\n`);
    for (const command of commandsOf(file)) await runCommand(file, command);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
