// `earlyexit/web` in a page of somebody else: the packed package in dev servers and builds of Vite 6, 7 and 8, in webpack and in esbuild,
// opened in a browser, must say what Node says. `node scripts/check-bundlers.mjs [vite8 webpack ..]`; without names all of them.
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("..", import.meta.url));
const BUNDLERS = {
  vite6: "vite6@npm:vite@6",
  vite7: "vite7@npm:vite@7",
  vite8: "vite8@npm:vite@~8.3.8", // 8.4 imports an optional package by name
  webpack: "webpack@5",
  esbuild: "esbuild@0.28",
};
const SOURCE = `
import { AdaptiveClassifier } from "earlyexit/web";
const picture = { data: new Uint8ClampedArray(32 * 32 * 4).fill(128), width: 32, height: 32 };
AdaptiveClassifier.load("/models/shapes").then((classifier) => classifier.classify(picture)).then(
  ({ label, exit }) => { document.title = "says " + label + " at exit " + exit; },
  (error) => { document.title = "fails: " + error.name + ": " + error.message; },
);
`;
const PAGE = (script) =>
  `<!doctype html><title>loading</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};
const WASM = "ort-wasm-simd-threaded.wasm";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-bundlers-"));
const chosen = process.argv.slice(2).length > 0 ? process.argv.slice(2) : Object.keys(BUNDLERS);
const inFolder = (...parts) => join(folder, ...parts);

function install() {
  const archive = execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  writeFileSync(inFolder("package.json"), JSON.stringify({ name: "page", private: true, type: "module" }));
  const packages = [
    inFolder(archive.trim().split("\n").at(-1)),
    "onnxruntime-web@1.30.0",
    ...chosen.map((one) => BUNDLERS[one]),
  ];
  execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", ...packages], {
    cwd: folder,
  });
  writeFileSync(inFolder("main.js"), SOURCE);
  writeFileSync(inFolder("index.html"), PAGE("/main.js"));
  cpSync(inFolder("node_modules/earlyexit/models/shapes"), inFolder("public/models/shapes"), { recursive: true });
}

/** A server for a built page; what is not there is 404, as behind most servers. */
async function serveBuilt(built) {
  const server = createServer((request, response) => {
    const name = new URL(request.url, "http://x").pathname.replace(/\/$/, "/index.html");
    const path = [join(built, name), inFolder("public", name)].find((one) => existsSync(one));
    if (!path) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
    response.end(readFileSync(path));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** What the page's title says in the end. */
async function openPage(browser, url) {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    await page.waitForFunction(() => document.title !== "loading", null, { timeout: 60_000 });
    return await page.title();
  } finally {
    await page.close();
  }
}

const vite = async (name) => import(pathToFileURL(inFolder("node_modules", name, "dist/node/index.js")).href);

/** Each serves the page in one way. */
const WAYS = {
  async dev(name) {
    rmSync(inFolder("node_modules/.vite"), { recursive: true, force: true });
    const { createServer: createDevServer } = await vite(name);
    const server = await createDevServer({
      root: folder,
      configFile: false,
      logLevel: "error",
      server: { port: 0, host: "127.0.0.1" },
    });
    await server.listen();
    return { url: server.resolvedUrls.local[0], close: () => server.close() };
  },
  async viteBuild(name) {
    const { build } = await vite(name);
    await build({
      root: folder,
      configFile: false,
      logLevel: "error",
      build: { outDir: `out-${name}`, target: "es2022" },
    });
    return serveBuilt(inFolder(`out-${name}`));
  },
  async webpack() {
    const { default: webpack } = await import(pathToFileURL(inFolder("node_modules/webpack/lib/index.js")).href);
    const output = { path: inFolder("out-webpack"), filename: "main.js", module: true, publicPath: "/" };
    const experiments = { outputModule: true };
    const options = { context: folder, mode: "production", entry: "./main.js", output, experiments };
    const stats = await new Promise((done, fail) =>
      webpack(options, (error, result) => (error ? fail(error) : done(result))),
    );
    if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
    writeFileSync(inFolder("out-webpack/index.html"), PAGE("/main.js"));
    return serveBuilt(inFolder("out-webpack"));
  },
  async esbuild() {
    const { build } = await import(pathToFileURL(inFolder("node_modules/esbuild/lib/main.js")).href);
    await build({
      absWorkingDir: folder,
      entryPoints: ["main.js"],
      bundle: true,
      format: "esm",
      splitting: true,
      outdir: "out-esbuild",
    });
    writeFileSync(inFolder("out-esbuild/index.html"), PAGE("/main.js"));
    return serveBuilt(inFolder("out-esbuild"));
  },
};

async function check(browser, what, serve, expected) {
  const started = performance.now();
  const { url, close } = await serve();
  try {
    const title = await openPage(browser, url);
    if (!(expected instanceof RegExp ? expected.test(title) : title === expected))
      throw new Error(`bundlers: ${what}: '${expected}' expected, found '${title}'`);
    process.stdout.write(`${what}: ${title} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`);
  } finally {
    await close();
  }
}

let browser;
try {
  install();
  const said = `import { AdaptiveClassifier } from "earlyexit";
    const classifier = await AdaptiveClassifier.load("shapes");
    const { label, exit } = await classifier.classify({ data: new Uint8ClampedArray(32 * 32 * 4).fill(128), width: 32, height: 32 });
    console.log("says " + label + " at exit " + exit);`;
  const node = execFileSync("node", ["--input-type=module", "-e", said], { cwd: folder, encoding: "utf8" }).trim();
  browser = await chromium.launch({
    executablePath: execFileSync("which", ["chromium"], { encoding: "utf8" }).trim(),
    args: ["--no-sandbox"],
  });
  for (const name of chosen.filter((one) => one.startsWith("vite"))) {
    await check(browser, `${name}, dev server`, () => WAYS.dev(name), node);
    await check(browser, `${name}, build`, () => WAYS.viteBuild(name), node);
  }
  if (chosen.includes("webpack")) await check(browser, "webpack", WAYS.webpack, node);
  if (chosen.includes("esbuild")) {
    await check(browser, "esbuild, the binary not copied", WAYS.esbuild, /^fails: UserError: runtime: .* copy /);
    mkdirSync(inFolder("out-esbuild"), { recursive: true });
    copyFileSync(inFolder("node_modules/onnxruntime-web/dist", WASM), inFolder("out-esbuild", WASM));
    await check(
      browser,
      "esbuild, the binary copied beside the script",
      () => serveBuilt(inFolder("out-esbuild")),
      node,
    );
  }
} finally {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
}
