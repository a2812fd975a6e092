import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** The report's template: one HTML file with its script and style inside, which opens from disk. */
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  plugins: [selfContained()],
  build: {
    outDir: "../../dist/page",
    emptyOutDir: false, // the page is built into it before
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // they know light-dark()
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: { input: fileURLToPath(new URL("report-template.html", import.meta.url)) },
  },
});

/** Puts script and style into the page, and the script's hash into its content security policy. */
function selfContained(): Plugin {
  return {
    name: "self-contained",
    enforce: "post",
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "asset" || !file.fileName.endsWith(".html")) continue;
        let page = String(file.source);
        for (const [name, other] of Object.entries(bundle)) {
          const [isScript, isStyle] = [other.type === "chunk", name.endsWith(".css")];
          if (!isScript && !isStyle) continue;
          const code = other.type === "chunk" ? other.code : String(other.source);
          const tag = isScript ? /<script [^>]*src="[^"]*"[^>]*><\/script>/ : /<link rel="stylesheet"[^>]*>/;
          page = page.replace(tag, () => (isScript ? scriptTag(code) : `<style>${code}</style>`));
          if (isScript) page = page.replace("SCRIPT_HASH", `'sha256-${hash(scriptText(code))}'`);
          delete bundle[name];
        }
        file.source = page;
      }
    },
  };
}

function scriptTag(code: string): string {
  return `<script type="module">${scriptText(code)}</script>`;
}

/** Code that does not end its own element. */
function scriptText(code: string): string {
  return code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}
