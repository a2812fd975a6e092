/**
 * How often a picture is answered alike in Node and in Chromium: files are decoded by `sharp` here and by the browser there, scaled by
 * the same code, and answered by the same classifier.
 *
 *   npx tsx bench/decoders.ts --model models/photos --pictures photos/test [--side 1200]
 *
 * `--side` enlarges each picture to that longer side first and writes it as a JPEG file again.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { build } from "vite";
import { readImage } from "../src/dataset/image-file.ts";
import { loadModel } from "../src/model/model-folder.ts";
import { pictureOf } from "../src/network/staged-network.ts";
import { AdaptiveClassifier } from "../src/story/classifier.ts";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string" },
    pictures: { type: "string" },
    side: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (!flags.model || !flags.pictures) throw new Error("decoders: --model DIR and --pictures DIR expected");

async function enlarged(file: Buffer): Promise<Buffer> {
  if (flags.side === undefined) return file;
  const side = Number(flags.side);
  return sharp(file).autoOrient().resize(side, side, { fit: "inside" }).jpeg({ quality: 88 }).toBuffer();
}

const { shape } = pictureOf((await loadModel(flags.model)).network);
const classifier = await AdaptiveClassifier.load(flags.model);
const folder = mkdtempSync(join(tmpdir(), "earlyexit-decoders-"));
const source = new URL("../src/story/web.ts", import.meta.url).pathname;
writeFileSync(
  join(folder, "entry.js"),
  `import { readImage } from ${JSON.stringify(source)}; globalThis.read = async (base64, shape) => [...await readImage(Uint8Array.from(atob(base64), (one) => one.charCodeAt(0)), shape)];`,
);
await build({
  root: folder,
  configFile: false,
  logLevel: "error",
  build: {
    lib: { entry: "entry.js", formats: ["es"], fileName: () => "read.js" },
    target: "es2022",
    rolldownOptions: { external: [/onnxruntime/] },
  },
});
const browser = await chromium.launch({ executablePath: flags.chromium, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  await page.goto("data:text/html,<title>decoders</title>");
  const code = readFileSync(join(folder, "dist/read.js"), "utf8").replace(/^import .*onnxruntime.*$/gm, "");
  await page.addScriptTag({ type: "module", content: code });
  await page.waitForFunction("globalThis.read");
  const names = readdirSync(flags.pictures, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && /\.(jpe?g|png|webp)$/i.test(one.name))
    .map((one) => join(one.parentPath, one.name));
  let [labels, exits, same, differing, values, largest] = [0, 0, 0, 0, 0, 0];
  for (const name of names) {
    const bytes = await enlarged(readFileSync(name));
    const here = await readImage(bytes, shape);
    const there = Uint8Array.from(
      await page.evaluate<number[]>(`read(${JSON.stringify(bytes.toString("base64"))}, [${shape}])`),
    );
    const [a] = await classifier.classifyPixels(here);
    const [b] = await classifier.classifyPixels(there);
    if (a!.label === b!.label) labels++;
    if (a!.exit === b!.exit) exits++;
    const gaps = here.map((one, i) => Math.abs(one - there[i]!));
    if (gaps.every((one) => one === 0)) same++;
    differing += gaps.reduce((sum, one) => sum + Number(one > 0), 0);
    largest = Math.max(largest, ...gaps);
    values += gaps.length;
  }
  const share = (part: number, of = names.length) => `${((100 * part) / of).toFixed(2)}%`;
  console.log(
    `${names.length} pictures${flags.side ? `, longer side ${flags.side}` : ""}, ${shape.join("x")}, Chromium ${browser.version()}: labels equal ${share(labels)}, exits equal ${share(exits)}; ` +
      `input equal byte for byte ${share(same)}, ${share(differing, values)} of all values differ, by at most ${largest} of 255`,
  );
} finally {
  await browser.close();
  await classifier.close?.();
  rmSync(folder, { recursive: true, force: true });
}
