// Every folder of examples/ as its reader starts it, with the package as it is packed. `node scripts/check-examples.mjs [typescript ..]`
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { drawPictures } from "./draw-pictures.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "earlyexit-examples-"));
const OWN = ["typescript", "vite-page", "http-service", "python-table", "photos-to-node", "photos-to-web"];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : OWN;
const picture = join(folder, "pictures/circle.png");

function expect(what, found, isRight) {
  if (!isRight) throw new Error(`examples: ${what} expected, found ${found}`);
  process.stdout.write(`${what}: ok\n`);
}

/** The examples side by side, over one node_modules with what all of them depend on. */
function install() {
  cpSync(join(root, "examples"), folder, { recursive: true });
  const pack = ["pack", "--silent", "--pack-destination", folder];
  const archive = execFileSync("npm", pack, { cwd: root, encoding: "utf8" }).trim().split("\n").at(-1);
  const all = {};
  for (const name of chosen) {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8"));
    Object.assign(all, dependencies, devDependencies);
  }
  const dependencies = { ...all, earlyexit: `file:${archive}` };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "all", private: true, dependencies }));
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], { cwd: folder });
}

const run = (name, command, args, env = {}) =>
  execFileSync(command, args, {
    cwd: join(folder, name),
    env: { ...process.env, XDG_CACHE_HOME: join(folder, "cache"), ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });

/** A command that stays, once it has said its address. */
async function serving(name, command, args, look) {
  const env = { ...process.env, PORT: "0", NO_COLOR: "1" }; // an address in colours is not found
  const child = spawn(command, args, { cwd: join(folder, name), env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const url = await new Promise((found, failed) => {
      let said = "";
      setTimeout(() => failed(new Error(`examples: an address of ${name} expected, found "${said}"`)), 60_000).unref();
      child.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
        const [address] = /http:\/\/[\w.]+:\d+/.exec(said) ?? [];
        if (address) found(address);
      });
      child.once("exit", (code) =>
        failed(new Error(`examples: ${name} that serves expected, found exit code ${code}`)),
      );
    });
    await look(url);
  } finally {
    child.kill("SIGTERM");
  }
}

/** The page that an example has built, in Chromium. */
async function inPage(name, look) {
  const vite = join(folder, "node_modules/vite/bin/vite.js");
  await serving(name, "node", [vite, "preview", "--port", "0", "--host", "127.0.0.1"], async (url) => {
    const executablePath = execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    try {
      const page = await browser.newPage();
      await page.goto(url);
      await look(page);
    } finally {
      await browser.close();
    }
  });
}

const CHECKS = {
  typescript() {
    const said = run("typescript", "npm", ["start", "--silent"]);
    for (const name of ["circle", "cross", "star"])
      expect(
        `typescript: ${name}.png is a ${name}`,
        said,
        new RegExp(`${name}\\.png: ${name} \\(\\d+%\\), exit \\d`).test(said),
      );
    expect(
      "typescript: exits at two lambdas",
      said,
      /exits \d, \d, \d at the recommended lambda, \d, \d, \d at 1/.test(said),
    );
  },

  async "vite-page"() {
    run("vite-page", "npm", ["run", "build", "--silent"]);
    await inPage("vite-page", async (page) => {
      await page.getByText("Choose a picture").waitFor({ timeout: 60_000 });
      await page.setInputFiles("#file", picture);
      await page.getByText(/left at|last exit/).waitFor({ timeout: 30_000 });
      const said = await page.locator("#answer").textContent();
      expect("vite-page: an answer with its reason", said, /^\w+ \(\d+%\): .*exit/.test(said));
    });
  },

  async "photos-to-node"() {
    await drawPictures(join(folder, "photos"), 60, { seed: 1, side: 16 });
    await drawPictures(join(folder, "new"), 2, { seed: 2, side: 40 });
    writeFileSync(join(folder, "new/notes.txt"), "no picture");
    const said = run("photos-to-node", "node", ["index.js", "../photos", "../new"], { EPOCHS: "4" });
    expect(
      "photos-to-node: figures",
      said,
      /on 24 other pictures: [\d.]+% right, -?\d+% of the computing saved/.test(said),
    );
    const answers = said.match(/-\d\.jpg: (circle|square|triangle|star) \(\d+%\), exit [1-4]/g) ?? [];
    expect("photos-to-node: eight answers", said, answers.length === 8);
    expect("photos-to-node: a file that is no picture is told", said, /found .*notes\.txt/.test(said));
  },

  async "photos-to-web"() {
    const model = join(folder, "photos-to-node/model");
    if (!existsSync(model)) await CHECKS["photos-to-node"]();
    run("photos-to-web", "npm", ["run", "build", "--silent"], { MODEL: model });
    await inPage("photos-to-web", async (page) => {
      await page.getByText("Choose pictures").waitFor({ timeout: 60_000 });
      await page.setInputFiles(
        "#files",
        ["circle", "star"].map((name) => join(folder, "new", name, `${name}-1.jpg`)),
      );
      await page.getByText("2 looked at").waitFor({ timeout: 30_000 });
      const said = await page.locator("figcaption").allTextContents();
      const answers = said.filter((one) => /^(circle|square|triangle|star) \(\d+%\)$/.test(one));
      expect("photos-to-web: two answers", said.join("; "), answers.length === 2);
    });
  },

  async "http-service"() {
    await serving("http-service", "node", ["server.js"], async (url) => {
      const answer = await (await fetch(url, { method: "POST", body: readFileSync(picture) })).json();
      expect("http-service: an answer in time", JSON.stringify(answer), answer.exit >= 1 && answer.confidence > 0);
      const refused = await fetch(url, { method: "POST", body: "no picture" });
      expect("http-service: 400 for what is no picture", refused.status, refused.status === 400);
    });
  },

  "python-table"() {
    const has = (module) => {
      try {
        execFileSync("python3", ["-c", `import ${module}`], { stdio: "ignore" });
        return true;
      } catch {
        return false;
      }
    };
    if (!has("numpy")) {
      process.stdout.write("python-table: skipped, there is no python3 with NumPy\n");
      return;
    }
    const said = run("python-table", "npm", ["start", "--silent"]);
    expect("python-table: figures with a verdict", said.slice(0, 200), /of its cost/.test(said));
    expect("python-table: a policy as ONNX", "none", existsSync(join(folder, "python-table/policy-onnx/policy.onnx")));
    if (has("onnxruntime")) process.stdout.write(run("python-table", "python3", ["use.py"]));
    else
      process.stdout.write(
        "python-table: use.py skipped, Python has no onnxruntime (test/export runs the same file)\n",
      );
  },
};

try {
  install();
  for (const name of chosen) {
    const started = performance.now();
    await CHECKS[name]();
    process.stdout.write(`(${name}: ${((performance.now() - started) / 1000).toFixed(0)} s)\n`);
  }
  if (process.argv.length <= 2) {
    run(".", "node", ["pipeline.mjs"]);
    process.stdout.write("pipeline.mjs: ok\n");
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
