import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** The plots of page and report for Node: the same panels, their figures collected in place of drawn into a page. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  publicDir: false,
  plugins: [collecting()],
  ssr: { noExternal: true },
  build: {
    ssr: fileURLToPath(new URL("draw.tsx", import.meta.url)),
    outDir: "../../dist/figures",
    emptyOutDir: true,
    target: "node20",
    minify: true,
    rolldownOptions: { output: { entryFileNames: "figures.js" } },
  },
});

/** Panels draw with `figure.tsx` and stand in `guard.tsx`; both need a page. */
function collecting(): Plugin {
  return {
    name: "collecting",
    enforce: "pre",
    resolveId(source, importer) {
      if (!importer?.includes("/panels/")) return null;
      if (source === "./figure.tsx" || source === "./guard.tsx")
        return fileURLToPath(new URL("collected.tsx", import.meta.url));
      return null;
    },
  };
}
