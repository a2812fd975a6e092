// Bundles the page, the report's template and the command line, if anything that they are made of changed.
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = ["web", "src", "scripts/bundle.mjs", "package-lock.json"];
const RESULTS = ["dist/page/index.html", "dist/page/report-template.html", "dist/cli/main.js"];

/** Many small modules, which to open one by one takes longer than the work of most commands. */
const BUNDLED = ["zod", "hono", "pure-rand", /^@(bufbuild|commander-js|hono|noble|petamoriken)\//];

/** Of a file, or of the newest one in a folder; 0 if there is none. */
function changedAt(path) {
  const found = statSync(root + path, { throwIfNoEntry: false });
  if (!found) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  return Math.max(...readdirSync(root + path).map((name) => changedAt(`${path}/${name}`)));
}

if (Math.max(...SOURCES.map(changedAt)) >= Math.min(...RESULTS.map(changedAt))) {
  for (const configFile of ["web/vite.config.ts", "web/report/vite.config.ts"])
    await build({ configFile: root + configFile, logLevel: "error" });
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
      rolldownOptions: { output: { entryFileNames: "main.js", chunkFileNames: "[name].js" } },
    },
  });
}
