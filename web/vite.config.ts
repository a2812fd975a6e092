import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** The page that `earlyexit ui` serves: everything that it needs lies in dist/page, ONNX Runtime's binaries included. */
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
  },
  worker: { format: "es" },
});
