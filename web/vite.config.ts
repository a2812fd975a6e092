import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { ORT_VERSION } from "../src/version.ts";

/** ONNX Runtime's binaries go by their names, under its version: the server takes them from where they are (`src/server/binaries.ts`). */
const output = {
  assetFileNames: ({ names }: { names: readonly string[] }): string =>
    names[0]?.endsWith(".wasm") ? `assets/onnxruntime-${ORT_VERSION}/[name][extname]` : "assets/[name]-[hash][extname]",
};

/** The page that `earlyexit ui` serves, in dist/page. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  resolve: { alias: { "earlyexit/web": fileURLToPath(new URL("../src/web.ts", import.meta.url)) } },
  build: {
    outDir: "../dist/page",
    emptyOutDir: true,
    target: "es2022",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { output },
  },
  worker: { format: "es", rolldownOptions: { output } },
});
