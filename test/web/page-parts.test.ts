/** Parts of the page: feedback, what the network sees, runs over each other, figures as files. Needs the built page. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { drawShapesParts } from "../../src/dataset/shapes.ts";
import { computeExitTable } from "../../src/exits/exit-logits.ts";
import { decodeTableFile } from "../../src/exits/table-file.ts";
import { loadModel } from "../../src/model/model-folder.ts";
import type { RunOrigin } from "../../src/model/run-folder.ts";
import { integer, seededRandom } from "../../src/random.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";

const SHAPES = new URL("../../models/shapes", import.meta.url).pathname;
const PATIENCE = 120_000;

test("all scripts besides ONNX Runtime take less than 320 kB, compressed", () => {
  const assets = new URL("../../dist/page/assets/", import.meta.url);
  const scripts = readdirSync(assets).filter((name) => name.endsWith(".js") && !name.startsWith("ort."));
  expect(scripts.some((name) => name.startsWith("worker"))).toBe(true);
  const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, assets))).length, 0);
  expect(bytes).toBeGreaterThan(100_000); // or something was not counted
  expect(bytes).toBeLessThan(320_000);
});

const originFor = (name: string): RunOrigin => ({
  command: `earlyexit run --out .../${name}`,
  commit: "0123456789ab",
  machine: { cpu: "A processor", cores: 2, memoryBytes: 8 * 2 ** 30 },
  versions: { Node: "v20" },
  startedAt: "2026-01-02T03:04:05.000Z",
});

describe.skipIf(!CHROMIUM)("parts of the page", { timeout: 2 * PATIENCE }, () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-parts-"));
  const [square, wide] = [join(folder, "square.png"), join(folder, "wide.png")];
  const drawn = drawShapesParts({ seed: 78, trainCount: 0, testCount: 1 }).test!.pixels.read(0, 1);
  let server: RunningServer;
  let browser: Browser;

  beforeAll(async () => {
    const area = 32 * 32;
    const rgb = Uint8Array.from({ length: 3 * area }, (_, i) => drawn[(i % 3) * area + Math.floor(i / 3)]!);
    const picture = sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } });
    await picture.clone().png().toFile(square);
    await picture.clone().resize(96, 48, { fit: "fill" }).png().toFile(wide);
    const { figures } = JSON.parse(await readFile(join(SHAPES, "model.json"), "utf8"));
    const line = (epoch: number, loss: number, last: number, exits = 2) =>
      `${JSON.stringify({ kind: "train", step: epoch, steps: 3, epoch, epochs: 3, loss, accuracy: Array(exits).fill(0.5), learningRate: 0.1, gradientNorm: 1, imagesPerSecond: 10, secondsLeft: 1, validationAccuracy: [0.4, last] })}\n`;
    for (const [name, accuracy, loss] of [
      ["first", 0.81, 1.5],
      ["second", 0.92, 0.75],
      ["still training", null, 2],
    ] as const) {
      const own = join(folder, "runs", name);
      mkdirSync(own, { recursive: true });
      const monster = line(3, 9, 0.9, 100_000); // left out: nothing of ours has so many exits
      writeFileSync(join(own, "metrics.jsonl"), line(1, 2 * loss, 0.5) + line(2, loss, 0.625) + monster);
      if (accuracy === null) continue;
      writeFileSync(join(own, "evaluation.json"), JSON.stringify({ ...figures, accuracy }));
      writeFileSync(join(own, "origin.json"), JSON.stringify([originFor(name)]));
    }
    const models = [{ id: "shapes", title: "shapes", folder: SHAPES }];
    server = await serve({ models, run: null, runs: join(folder, "runs"), port: 0 });
    browser = await launchChromium();
  }, PATIENCE);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(place: string): Promise<Page> {
    const page = await browser.newPage({ reducedMotion: "reduce", acceptDownloads: true });
    page.setDefaultTimeout(PATIENCE);
    await page.goto(`${server.url}#${place}`);
    return page;
  }

  async function openWith(file: string): Promise<Page> {
    const page = await open("try");
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByLabel("Choose pictures").setInputFiles([file]);
    await page.locator(".taken").waitFor();
    return page;
  }

  async function download(page: Page, button: string): Promise<Buffer> {
    const [begun] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: button }).click(),
    ]);
    return readFile(await begun.path());
  }

  test("what was wrong becomes a file for learn --continue: what the exits say, and the label", async () => {
    const { network } = await loadModel(SHAPES);
    const page = await openWith(square);
    const said = (await page.locator(".answer strong").first().textContent())!;
    const other = network.classes.findIndex((name) => name !== said);
    await page.getByLabel("Wrong: it is a").selectOption({ label: network.classes[other]! });
    const { table } = decodeTableFile(await download(page, "Download feedback (1)"), "feedback");
    expect([...table.labels]).toEqual([other]);
    const samples = createSamples(drawn.slice(), Uint16Array.of(other));
    const expected = await computeExitTable(createNodeRuntime({ threads: 1 }), network, samples);
    expect(table.logits).toHaveLength(4 * 10);
    for (const [i, logit] of table.logits.entries()) expect(logit).toBeCloseTo(expected.logits[i]!, 3);
    await page.getByRole("button", { name: "Right", exact: true }).click(); // the last word counts
    const changed = decodeTableFile(await download(page, "Download feedback (1)"), "feedback");
    expect([...changed.table.labels]).toEqual([network.classes.indexOf(said)]);
    await page.close();
  });

  test("a class is named where the answer is sure enough, as in Node, and always unless that is asked for", async () => {
    const random = seededRandom(5);
    const rgb = Uint8Array.from({ length: 3 * 32 * 32 }, () => integer(random, 0, 255));
    const noise = join(folder, "noise.png");
    await sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toFile(noise);
    const classifier = await AdaptiveClassifier.load(SHAPES, { precise: 0.999 });
    const [{ least }, expected] = [(await classifier.sureAnswers())!, await classifier.classify(noise)];
    await classifier.close();
    expect(expected.unsure).toBe(true);
    const page = await openWith(noise);
    const said = page.locator(".answer");
    expect(await said.textContent()).not.toContain("unsure");
    const choice = page.getByLabel("Name a class");
    await choice.selectOption({ label: "where 99.9% of such answers are right" });
    await expect.poll(() => said.textContent(), { timeout: PATIENCE }).toMatch(/^unsure, maybe /);
    const status = (await page.locator(".precise [role=status]").textContent())!;
    const shown = /From a confidence of ([\d.]+)% on/.exec(status)![1]!;
    expect(Number(shown)).toBeCloseTo(100 * least, 0); // another lambda on the dial's steps, other leaves
    await choice.selectOption({ label: "always" });
    await expect.poll(() => said.textContent()).not.toContain("unsure");
    await page.close();
  });

  test("what the network sees: the picture as it is, what is cut off, where the answer comes from", async () => {
    const page = await openWith(wide);
    await page.getByText("What the network sees").click();
    const views = page.locator(".views");
    await expect.poll(() => views.textContent()).toContain("as it is: 96 x 48, the shade is cut off");
    const kept = await page.evaluate<number>(
      `document.querySelector(".kept").offsetWidth / document.querySelector(".original img").offsetWidth`,
    );
    expect(kept).toBeCloseTo(0.5, 1);
    await page.getByRole("button", { name: "Where does the answer come from?" }).click();
    await page.locator(".heat >> nth=3").waitFor();
    const alphas = await page.evaluate<number[]>(
      `(() => { const c = document.querySelectorAll(".heat canvas:last-child")[3];
        return [...c.getContext("2d").getImageData(0, 0, 8, 8).data].filter((_, i) => i % 4 === 3); })()`,
    );
    expect(Math.min(...alphas)).toBe(0); // the part that matters most is clear
    expect(Math.max(...alphas)).toBeGreaterThan(150);
    await page.close();
  });

  test("runs that lie together are listed, and laid over each other; their figure can be saved", async () => {
    const page = await open("watch");
    const choice = (name: RegExp) => page.getByRole("checkbox", { name });
    for (const name of [/^first/, /^second/]) {
      await choice(name).click(); // it is fetched, and chosen then
      await expect.poll(() => choice(name).isChecked(), { timeout: PATIENCE }).toBe(true);
    }
    const table = page.getByRole("table", { name: "The runs side by side" });
    await expect.poll(() => table.locator("tr").first().textContent(), { timeout: PATIENCE }).toBe("firstsecond");
    expect(await table.locator("tr").nth(1).textContent()).toBe("accuracy81.00%92.00%");

    const figure = (name: string) => page.locator("figure", { has: page.getByRole("heading", { name }) });
    await choice(/^still training .*not evaluated yet/).click();
    const ends = "first: 1.500 after 2 epochs; second: 0.750 after 2 epochs; still training: 2.000 after 2 epochs";
    const said = (name: string) => figure(name).getByRole("img").getAttribute("aria-label");
    await expect.poll(() => said("Loss of the runs"), { timeout: PATIENCE }).toBe(`Loss of the runs. ${ends}.`);
    expect(await said("Validation accuracy of the runs")).toContain("second: 62.5% after 2 epochs");
    expect(await table.locator("tr").first().textContent()).toBe("firstsecond"); // what has no figures is in the curves alone
    const made = page.getByRole("region", { name: "How second was made" });
    expect(await made.textContent()).toContain("earlyexit run --out .../second");
    expect(await made.textContent()).toMatch(/commit0123456789abmachineA processor, 2 cores, 8 GiBversionsNode v20/);

    const title = "Accuracy and cost of the runs";
    const svg = (await download(page, `${title} as SVG`)).toString();
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).toContain("second");
    expect(svg).not.toMatch(/(fill|stroke)="var\(/);
    const png = await sharp(await download(page, `${title} as PNG`)).metadata();
    expect(png.width).toBeGreaterThan(800);
    await choice(/^first/).uncheck();
    await expect.poll(() => table.locator("tr").first().textContent()).toBe("second");
    const axe = await readFile(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
    await page.evaluate(axe);
    const { violations } = await page.evaluate<{ violations: { id: string; impact: string }[] }>("axe.run()");
    expect(violations.filter(({ impact }) => impact === "serious" || impact === "critical")).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    await expect.poll(() => page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    await page.close();
  });
});
