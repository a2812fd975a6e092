/** The package in headless Chromium, bundled by Vite: the same pixels, the same answers as in Node. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/model/model-folder.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { expectClose } from "../graph/check.ts";
import { TINY_SIDE, tinyModel, wavyPicture } from "../inference/tiny-model.ts";
import { CHROMIUM, launchChromium, SOFTWARE_WEBGPU } from "./chromium.ts";

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".png": "image/png",
};

const COUNT = 24;
const pictures = [
  ...Array.from({ length: COUNT }, (_, i) => wavyPicture(TINY_SIDE, TINY_SIDE, i)),
  wavyPicture(75, 50, 100), // scaled and cut by the package itself
  wavyPicture(20, 90, 101),
];

describe.skipIf(!CHROMIUM)(`in a browser${CHROMIUM ? "" : " (Chromium not found)"}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-web-"));
  const errors: string[] = [];
  let server: Server;
  let browser: Browser;
  let node: AdaptiveClassifier;
  let plain: Page;

  beforeAll(async () => {
    await saveModel(join(folder, "dist", "model"), tinyModel());
    writeFileSync(join(folder, "index.html"), '<!doctype html><script type="module" src="./page.js"></script>');
    writeFileSync(join(folder, "page.js"), `import ${JSON.stringify(new URL("page.ts", import.meta.url).pathname)};`);
    await build({
      root: folder,
      configFile: false,
      base: "./",
      logLevel: "error",
      build: { outDir: "dist", emptyOutDir: false, target: "es2022" },
    });
    const picture = wavyPicture(64, 48, 7);
    await sharp(picture.data, { raw: { width: 64, height: 48, channels: 4 } })
      .png()
      .toFile(join(folder, "dist/waves.png"));
    // Addresses are /plain/FILE and /isolated/FILE: the same files, with and without what allows threads.
    server = createServer((request, response) => {
      const [, mode, ...path] = new URL(request.url!, "http://page").pathname.split("/");
      const file = join(folder, "dist", ...path);
      if (path.length === 0 || !existsSync(file)) return response.writeHead(404).end();
      response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
      if (mode === "isolated") {
        response.setHeader("cross-origin-opener-policy", "same-origin");
        response.setHeader("cross-origin-embedder-policy", "require-corp");
      }
      return response.end(readFileSync(file));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await launchChromium();
    node = await AdaptiveClassifier.load(join(folder, "dist", "model"), { threads: 1 });
    plain = await open("plain");
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await node?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(mode: "plain" | "isolated", from = browser): Promise<Page> {
    const page = await from.newPage();
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${mode}/index.html`);
    return page;
  }

  const call = <Result>(page: Page, name: string, ...args: unknown[]): Promise<Result> =>
    page.evaluate<Result>(`earlyexitTest.${name}(${args.map((one) => JSON.stringify(one)).join(", ")})`);

  const asPlain = pictures.map(({ data, width, height }) => ({ data: [...data], width, height }));
  const asked = (options: object) => ({ address: "model", options, pictures: asPlain });
  interface Answers {
    results: { classIndex: number; label: string; exit: number; costMacs: number; probabilities: number[] }[];
    stoppedBy: string;
    imagesComputed: number[];
  }

  test.each(["plain", "isolated"] as const)("the same pixels, the same classes and exits: %s page", async (mode) => {
    const expected = await node.classifyBatch(pictures);
    expect(new Set(expected.map(({ exit }) => exit)).size).toBeGreaterThan(2);
    const page = mode === "plain" ? plain : await open(mode);
    expect(await page.evaluate("crossOriginIsolated")).toBe(mode === "isolated");
    const found = await call<Answers>(page, "classifyAll", asked(mode === "isolated" ? { threads: 2 } : {}));
    expect(found.results.map(({ label, exit, costMacs }) => ({ label, exit, costMacs }))).toEqual(
      expected.map(({ label, exit, costMacs }) => ({ label, exit, costMacs })),
    );
    for (const [i, { probabilities }] of found.results.entries())
      for (const [k, p] of probabilities.entries()) expect(p).toBeCloseTo(expected[i]!.probabilities[k]!, 4);
    const reached = [0, 1, 2, 3].map((k) => expected.filter(({ exit }) => exit > k).length);
    reached[0]! += 1; // the single image with no time left
    expect(found.imagesComputed).toEqual(reached);
    expect(expected[0]!.exit).toBeGreaterThan(1); // it would have gone on
    expect(found.stoppedBy).toBe("deadline");
    expect(errors).toEqual([]);
  });

  test("a file, by address, as a blob or as bytes, is decoded to what Node reads", async () => {
    const found = await call<{ classIndex: number; exit: number; confidence: number }[]>(
      plain,
      "classifyFile",
      "model",
      "waves.png",
    );
    const { data, info } = await sharp(join(folder, "dist/waves.png"))
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { classIndex, exit, confidence } = await node.classify({ data, width: info.width, height: info.height });
    expect(found).toHaveLength(3);
    for (const one of found) expect(one).toEqual({ classIndex, exit, confidence: expect.closeTo(confidence, 4) });
  });

  test("WebGPU trains and answers as WebAssembly does, and WebAssembly trains with threads", async () => {
    const withWebgpu = await launchChromium(...SOFTWARE_WEBGPU);
    try {
      const page = await open("plain", withWebgpu);
      type Trained = { losses: number[]; weights: number[] };
      const [wasm, webgpu] = [
        await call<Trained>(page, "trainSmall", { device: "wasm" }),
        await call<Trained>(page, "trainSmall", { device: "webgpu" }),
      ];
      expect(wasm.losses).toHaveLength(4);
      expectClose(webgpu.losses, wasm.losses, 1e-4);
      expectClose(webgpu.weights, wasm.weights, 1e-4);
      const few = (options: object) => ({ ...asked(options), pictures: asPlain.slice(0, 6) });
      const [expected, found] = [
        await call<Answers>(page, "classifyAll", few({})),
        await call<Answers>(page, "classifyAll", few({ device: "webgpu" })),
      ];
      expect(found.results.map(({ exit }) => exit)).toEqual(expected.results.map(({ exit }) => exit));
      for (const [i, { probabilities }] of found.results.entries())
        expectClose(probabilities, expected.results[i]!.probabilities, 1e-4);
      const isolated = await open("isolated", withWebgpu);
      const threaded = await call<Trained>(isolated, "trainSmall", { threads: 2 });
      expectClose(threaded.losses, wasm.losses, 1e-4);
      expect(errors).toEqual([]);
    } finally {
      await withWebgpu.close();
    }
  }, 240_000);

  test("nothing falls back in silence", async () => {
    const failure = (options: object) =>
      call<Answers>(plain, "classifyAll", asked(options)).then(
        () => "no error",
        (error: Error) => error.message,
      );
    expect(await failure({ device: "webgpu" })).toContain(
      "device: a browser with WebGPU expected, found none; use wasm",
    );
    expect(await failure({ device: "cpu" })).toContain("device: wasm or webgpu expected, found cpu");
    expect(await failure({ threads: 2 })).toContain("threads: 1 expected on a page that is not cross-origin isolated");
    expect(await failure({ lambda: 7 })).toContain("lambda: 0.01 to 1 expected");
    const missingModel = { ...asked({}), address: "elsewhere" };
    await expect(call(plain, "classifyAll", missingModel)).rejects.toThrow("a model folder with model.json expected");
  });
});
