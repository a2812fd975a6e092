// Bundles the page, the report's template and the command line, if anything that they are made of changed.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["web", "src", "scripts/bundle.mjs", "package-lock.json"];
const RESULTS = [
  "dist/page/index.html",
  "dist/page/report-template.html",
  "dist/figures/figures.js",
  "dist/cli/main.js",
];

/** Many small modules, which to open one by one takes longer than the work of most commands. */
const BUNDLED = ["zod", "hono", "pure-rand", /^@(bufbuild|commander-js|hono|noble|petamoriken)\//];

/** Of a file, or of the newest one in a folder; 0 if there is none. */
function changedAt(path) {
  const found = statSync(root + path, { throwIfNoEntry: false });
  if (!found) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  return Math.max(...readdirSync(root + path).map((name) => changedAt(`${path}/${name}`)));
}

const ORT = "node_modules/onnxruntime-web/dist";
const BINARY = "ort-wasm-simd-threaded.wasm";

/** The binary for the page's WebAssembly, at a fifth of its size; the server finds those that are installed (`src/server/binaries.ts`). */
function packBinary() {
  const packed = `dist/onnxruntime/${BINARY}.br`;
  if (changedAt(packed) > changedAt(`${ORT}/${BINARY}`) && changedAt(packed) > changedAt("package-lock.json")) return;
  mkdirSync(`${root}dist/onnxruntime`, { recursive: true });
  const bytes = readFileSync(`${root}${ORT}/${BINARY}`);
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants;
  const params = { [BROTLI_PARAM_QUALITY]: 11, [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(root + packed, brotliCompressSync(bytes, { params }));
}

packBinary();
if (Math.max(...SOURCES.map(changedAt)) >= Math.min(...RESULTS.map(changedAt))) {
  for (const configFile of ["web/vite.config.ts", "web/report/vite.config.ts", "web/figures/vite.config.ts"])
    await build({ configFile: root + configFile, logLevel: "error" });
  for (const name of readdirSync(`${root}dist/page/assets`))
    if (name.startsWith("onnxruntime-")) rmSync(`${root}dist/page/assets/${name}`, { recursive: true });
  await build({
    configFile: false,
    root,
    publicDir: false,
    logLevel: "error",
    ssr: { noExternal: BUNDLED },
    build: {
      ssr: "src/cli/main.ts",
      outDir: "dist/cli",
      emptyOutDir: true,
      rolldownOptions: {
        output: {
          entryFileNames: "main.js",
          chunkFileNames: "[name].js",
          minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } }, // names stay, for stack traces
        },
      },
    },
  });
}
