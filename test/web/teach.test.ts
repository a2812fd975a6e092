/** Teaching the page one's own classes, in a real browser with its fake camera. Needs the built page: `npm test` builds it first. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawShapesParts } from "../../src/dataset/shapes.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";

const model = (id: string) => ({ id, title: id, folder: new URL(`../../models/${id}`, import.meta.url).pathname });
const KINDS = ["triangle", "ring"];
const EACH = 20;
const HELD_BACK = 10;
/** The machine may be busy with other tests. */
const PATIENCE = 300_000;

describe.skipIf(!CHROMIUM)("teaching", { timeout: 2 * PATIENCE }, () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-teach-"));
  /** By kind: pictures to learn from, and others. */
  const files = new Map<string, { readonly learn: string[]; readonly held: string[] }>();
  let server: RunningServer;
  let browser: Browser;

  beforeAll(async () => {
    const { test: drawn, classes } = drawShapesParts({ seed: 99, trainCount: 0, testCount: 400 });
    for (const kind of KINDS) {
      const all = [...drawn!.labels.keys()].filter((i) => classes[drawn!.labels[i]!] === kind);
      const paths: string[] = [];
      for (const i of all.slice(0, EACH + HELD_BACK)) {
        paths.push(join(folder, `${kind}-${String(paths.length).padStart(2, "0")}.png`));
        await writePicture(paths.at(-1)!, drawn!.pixels.read(i, i + 1));
      }
      files.set(kind, { learn: paths.slice(0, EACH), held: paths.slice(EACH) });
    }
    server = await serve({ models: [model("shapes"), model("cifar10")], run: null, port: 0 });
    browser = await launchChromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream");
  }, PATIENCE);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(): Promise<Page & { sent: string[]; errors: string[] }> {
    const page = await browser.newPage({ reducedMotion: "reduce", acceptDownloads: true });
    page.setDefaultTimeout(PATIENCE);
    const [sent, errors]: string[][] = [[], []];
    page.context().on("request", (request) => {
      const isOurs = request.url().startsWith(server.url) || request.url().startsWith("blob:");
      if (!isOurs || request.method() !== "GET" || request.postData() !== null)
        sent!.push(`${request.method()} ${request.url()}`);
    });
    page.on("pageerror", (error) => errors!.push(error.message));
    await page.goto(`${server.url}#teach`);
    await page.getByRole("button", { name: "Add a class" }).waitFor();
    return Object.assign(page, { sent: sent!, errors: errors! });
  }

  async function download(page: Page, button: string): Promise<Uint8Array> {
    const [begun] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: button }).click(),
    ]);
    return readFile(await begun.path());
  }

  test("40 pictures of two classes become a model that works here, and elsewhere from its files; nothing is sent", async () => {
    const page = await open();
    for (const [k, kind] of KINDS.entries()) {
      await page.getByLabel(`Choose pictures of Class ${k + 1}`).setInputFiles(files.get(kind)!.learn);
      await page.locator(`.class-card >> nth=${k} >> .thumbnails li >> nth=${EACH - 1}`).waitFor();
      const name = page.getByLabel("Name of the class").nth(k);
      await name.fill(kind);
      await name.press("Tab");
    }
    await page.getByRole("button", { name: "Teach it", exact: true }).click();
    await page.getByText("It has learned").waitFor();
    const lead = (await page.locator(".taught .lead").textContent())!;
    console.info(lead);
    expect(lead).toMatch(/^Done in .* threshold on \w+ decides/);
    expect(lead).toContain("40 validation images are too few for an agent");
    expect(await page.locator(".taught .exit-bars li").count()).toBe(4);

    const zip = unzipSync(await download(page, "Download the model folder (zip)"));
    const own = join(folder, "unpacked");
    for (const [name, bytes] of Object.entries(zip)) {
      mkdirSync(dirname(join(own, name)), { recursive: true });
      writeFileSync(join(own, name), bytes);
    }
    const onnx = await download(page, "Download one ONNX file");

    await page.getByRole("button", { name: "Try it on pictures" }).click();
    const held = KINDS.flatMap((kind) => files.get(kind)!.held);
    await page.getByLabel("Choose pictures", { exact: true }).setInputFiles(held);
    await page.locator(`.strip button:has(canvas) >> nth=${held.length - 1}`).waitFor();
    const inPage = await page.evaluate<
      string[]
    >(`[...document.querySelectorAll(".strip button:has(canvas)")].map((one) =>
      one.querySelector("canvas").ariaLabel + ": " + one.querySelector("span").textContent).sort()`);
    const right = inPage.filter((one) => one.split("-")[0] === one.split(": ")[1]).length;
    console.info(`${right} of ${held.length} held-back pictures are right`);
    expect(right).toBeGreaterThanOrEqual(0.9 * held.length);

    const classifier = await AdaptiveClassifier.load(join(own, "my-model"), { threads: 1 });
    const results = await classifier.classifyBatch(await Promise.all(held.map((file) => readFile(file))));
    const inNode = results.map(({ label }, i) => `${held[i]!.split("/").at(-1)}: ${label}`).sort();
    expect(inNode).toEqual(inPage);
    const session = await InferenceSession.create(onnx);
    const image = Float32Array.from(await pixelsOf(held[0]!));
    const answer = await session.run({
      image: new Tensor(image, [1, 3, 32, 32]),
      lambda: new Tensor(Float32Array.of(classifier.lambda), []),
    });
    expect(classifier.network.classes[Number(answer.class!.data[0])]).toBe(results[0]!.label);
    await session.release();
    await classifier.close();
    expect(page.sent).toEqual([]);
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("the camera gives pictures, and is answered live; a picture in the wrong class is a suspect; teaching can be stopped", async () => {
    const page = await open();
    await page.getByLabel("Begin with what this model knows").selectOption("shapes"); // the smaller one
    await page.getByLabel("Use the camera for Class 1").click();
    await page.getByRole("button", { name: "Take 20 pictures" }).click();
    await page.getByText("Ready in 3...").waitFor();
    const ofFirst = page.locator(".class-card >> nth=0 >> .thumbnails li");
    await ofFirst.nth(19).waitFor();
    await page.getByRole("button", { name: "Close the camera" }).click();
    const { learn, held } = files.get("ring")!;
    await page.getByLabel("Choose pictures of Class 1").setInputFiles(held[0]!);
    await page.getByLabel("Choose pictures of Class 2").setInputFiles(learn);
    await ofFirst.nth(EACH).waitFor();
    await page.locator(`.class-card >> nth=1 >> .thumbnails li >> nth=${EACH - 1}`).waitFor();

    await page.getByRole("button", { name: "Teach it", exact: true }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".teaching-progress").waitFor({ state: "detached" });
    expect(await page.locator(".messages").count()).toBe(0);

    await page.getByRole("button", { name: "Teach it", exact: true }).click();
    await page.getByRole("button", { name: "Try it on the camera" }).click();
    const live = page.locator(".live");
    await expect.poll(() => live.textContent(), { timeout: PATIENCE }).toMatch(/^Class 1 \(.*%\), exit [1-4] of 4/);
    expect(await live.textContent()).toMatch(/frames per second; by exit so far: (\d+, ){3}\d+/);
    await live.getByRole("button", { name: "Close the camera" }).click();

    const suspect = page.locator(".suspects li").first();
    expect(await suspect.textContent()).toMatch(/given as Class 1looks like Class 2/);
    await page.evaluate(await readFile(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
    const { violations } = await page.evaluate<{ violations: { id: string; impact: string }[] }>("axe.run()");
    expect(violations.filter(({ impact }) => impact === "serious" || impact === "critical")).toEqual([]);
    await suspect.getByRole("button", { name: "Take it away" }).click();
    await expect.poll(() => ofFirst.count()).toBe(EACH);
    expect(page.sent).toEqual([]);
    expect(page.errors).toEqual([]);
    await page.close();
  });
});

/** @param pixels [3, 32, 32] */
async function writePicture(file: string, pixels: Uint8Array): Promise<void> {
  const area = 32 * 32;
  const rgb = Uint8Array.from({ length: 3 * area }, (_, i) => pixels[(i % 3) * area + Math.floor(i / 3)]!);
  await sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } })
    .png()
    .toFile(file);
}

/** [3, 32, 32] of a file */
async function pixelsOf(file: string): Promise<Uint8Array> {
  const area = 32 * 32;
  const rgb = await sharp(file).removeAlpha().raw().toBuffer();
  return Uint8Array.from({ length: 3 * area }, (_, i) => rgb[3 * (i % area) + Math.floor(i / area)]!);
}
