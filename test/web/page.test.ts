/** The page that `earlyexit ui` serves, in a real browser. Needs the built page: `npm test` builds it first. */

import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allPixels } from "../../src/dataset/pixels.ts";
import { drawShapesParts } from "../../src/dataset/shapes.ts";
import type { Classification } from "../../src/inference/adaptive-classifier.ts";
import { openWholeWay } from "../../src/inference/whole-way.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";
import { AdaptiveClassifier } from "../../src/story/classifier.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";

const SHAPES = new URL("../../models/shapes", import.meta.url).pathname;
const runtime = createNodeRuntime({ threads: 1 });
const PLACES = ["try", "teach", "watch", "train"];
/** The machine may be busy with other tests. */
const PATIENCE = 120_000;
/** A training: seconds where nothing else is going on. */
const LONG = 900_000;

const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: PATIENCE });

describe.skipIf(!CHROMIUM)("the page", { timeout: 2 * PATIENCE }, () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-page-"));
  const run = join(folder, "run");
  const files: string[] = [];
  let expected: readonly Classification[];
  let node: AdaptiveClassifier;
  let server: RunningServer;
  let browser: Browser;

  beforeAll(async () => {
    const { test, classes } = drawShapesParts({ seed: 77, trainCount: 0, testCount: 20 });
    const drawn = test!;
    const size = 3 * 32 * 32;
    for (const i of drawn.labels.keys()) {
      files.push(join(folder, `${String(i).padStart(2, "0")}-${classes[drawn.labels[i]!]}.png`));
      await writePicture(files[i]!, allPixels(drawn.pixels).subarray(i * size, (i + 1) * size));
    }
    node = await AdaptiveClassifier.load(SHAPES, { threads: 1 });
    expected = await node.classifyBatch(await Promise.all(files.map((file) => readFile(file))));
    mkdirSync(run);
    cpSync(SHAPES, join(folder, "broken"), { recursive: true });
    truncateSync(join(folder, "broken/network.safetensors"), 1000);
    const model = (id: string, path: string) => ({ id, title: id, folder: path });
    server = await serve({ models: [model("shapes", SHAPES), model("broken", join(folder, "broken"))], run, port: 0 });
    browser = await launchChromium();
  }, PATIENCE);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await node?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(place = "", viewport = { width: 1200, height: 900 }): Promise<Page & { errors: string[] }> {
    const page = await browser.newPage({ viewport, reducedMotion: "reduce" });
    page.setDefaultTimeout(PATIENCE);
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(`${server.url}#${place}`);
    return Object.assign(page, { errors });
  }

  /** With the drawn images taken away, and these files in their place. */
  async function openWith(chosen: readonly string[]) {
    const page = await open();
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByLabel("Choose pictures").setInputFiles([...chosen]);
    await page.locator(`.strip button >> nth=${chosen.length - 1}`).waitFor();
    return page;
  }

  /** "NAME of the file: CLASS at EXIT" for each image of the strip. */
  const inStrip = (page: Page): Promise<string[]> =>
    page.evaluate(`[...document.querySelectorAll(".group")].flatMap((group, exit) =>
      [...group.querySelectorAll("button")].map((one) =>
        one.querySelector("canvas").ariaLabel + ": " + one.querySelector("span").textContent + " at " + (exit + 1))).sort()`);

  const fromNode = (results: readonly Classification[]): string[] =>
    results.map(({ label, exit }, i) => `${files[i]!.split("/").at(-1)}: ${label} at ${exit}`).sort();

  test("the same pixels, the same classes and exits as in Node; the dial changes exits, live", async () => {
    const page = await openWith(files);
    expect(new Set(expected.map(({ exit }) => exit)).size).toBeGreaterThan(1);
    expect(await inStrip(page)).toEqual(fromNode(expected));

    const dial = page.getByLabel("How much may an answer cost?");
    await dial.focus();
    const { from, to } = node.policy.agent.lambdaRange;
    const ends = [
      ["End", to],
      ["Home", from],
    ] as const;
    for (const [key, lambda] of ends) {
      await page.keyboard.press(key);
      node.lambda = lambda;
      const wanted = fromNode(await node.classifyBatch(await Promise.all(files.map((file) => readFile(file)))));
      await eventually(() => inStrip(page)).toEqual(wanted);
      expect(wanted).not.toEqual(fromNode(expected));
      await eventually(() => dial.getAttribute("aria-valuetext")).toContain(`lambda ${lambda}:`);
    }
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("one picture on the road: every exit on its way says what Node says", async () => {
    const far = expected.findIndex(({ exit }) => exit === 3); // goes on twice, and leaves a stage uncomputed
    expect(far).toBeGreaterThanOrEqual(0);
    const page = await openWith([files[far]!, files[0]!]);
    const { trace, label, exit } = expected[far]!;
    const cards = page.locator(".road > li");
    await eventually(() => page.locator(".taken").count()).toBe(1);
    for (const [k, one] of trace.entries()) {
      const text = await cards.nth(k).textContent();
      expect(text).toContain(node.network.classes[one.classIndex]);
      expect(text).toContain(`${(100 * one.confidence).toFixed(1)}%`);
      expect(text).toContain(one.exited ? "It leaves here: going on would cost" : "It goes on: the next exit costs");
      if (one.qExit !== null) expect(text).toContain(one.qExit.toFixed(3));
      if (one.qContinue !== null) expect(text).toContain(one.qContinue.toFixed(3));
    }
    expect(await cards.nth(exit).textContent()).toContain("not computed");
    expect(await page.locator(".answer").textContent()).toMatch(new RegExp(`^${label} .*exit ${exit} of 4, .*MACs`));
    const result = page.locator(".result");
    expect(await result.textContent()).toContain(expected[far]!.reason.slice(1));
    expect(await result.textContent()).toContain("whatever the picture shows");
    const saved = (100 * (1 - expected[far]!.costMacs / node.costs.fullMacs)).toFixed(1);
    expect(await page.locator(".way .spared").textContent()).toContain(`${saved}% saved`);
    const widths = await page.evaluate<number[]>(
      `[...document.querySelectorAll(".lane")].map((one) => one.offsetWidth)`,
    );
    const { exitMacs } = node.costs;
    const dear = (exitMacs[3]! - exitMacs[2]!) / (exitMacs[2]! - exitMacs[1]!);
    expect(widths[3]! / widths[2]!).toBeCloseTo(dear, 0); // as long as they are dear

    await page.getByRole("button", { name: "And if it had gone on?" }).click();
    const rest = openWholeWay(runtime, node.network, node.policy);
    const later = (await rest.traces(await pixelsOf(files[far]!), node.lambda)).at(-1)!;
    await rest.close();
    await eventually(() => cards.nth(3).textContent()).toContain(`${(100 * later.confidence).toFixed(1)}%`);
    const same = later.classIndex === expected[far]!.classIndex;
    expect(await cards.nth(3).textContent()).toContain(same ? "would have said the same" : "said something else");
    expect(await page.locator(".rest").textContent()).toContain(node.network.classes[later.classIndex]);

    await eventually(() => result.textContent()).toMatch(/[\d.]+ ms instead of [\d.]+ ms for the full network/);
    await eventually(() => page.locator(".strip").textContent()).toMatch(
      /images per second, [\d.]+ with the full network \(2 of them/,
    );
    await page.getByRole("button", { name: "What would the later exits have said?" }).click();
    await eventually(() => page.locator(".strip").textContent()).toMatch(/later exit/);
    expect(await page.locator(".model-choice").textContent()).toMatch(/started in [\d.]+ m?s/);
    await page.close();
  });

  test("what cannot be read is told, and the page goes on", async () => {
    const [text, huge] = [join(folder, "text.png"), join(folder, "huge.jpg")];
    writeFileSync(text, "<img src=x onerror=alert(1)>");
    writeFileSync(huge, "");
    truncateSync(huge, 60e6);
    const page = await open();
    const alert = page.getByRole("alert").first();
    await page.locator(".taken").waitFor();
    await page.getByLabel("Choose pictures").setInputFiles([text, huge, files[0]!]);
    await expect.poll(() => alert.textContent()).toContain("text.png: this is no picture that the browser can read");
    await eventually(() => alert.textContent()).toContain("huge.jpg has 60 MB; files of at most 50 MB");
    await page.locator(".strip button >> nth=24").waitFor(); // the good one came through
    await page.getByRole("button", { name: "Close" }).click();
    expect(await alert.textContent()).toBe("");

    await page.getByLabel("Model").selectOption("broken");
    await eventually(() => alert.textContent()).toContain("network.safetensors");
    await page.getByLabel("Model").selectOption("shapes");
    await page.locator(".taken").waitFor();
    await page.close();
  });

  test("a run moves while it is watched; a lost connection is told", async () => {
    const own = await serve({ models: [], run, port: 0 });
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.goto(`${own.url}#watch`);
    const main = page.locator("main");
    await eventually(() => main.textContent()).toContain("waiting for the run to begin");
    const line = (step: number) =>
      `${JSON.stringify({ kind: "train", step, steps: 40, epoch: step / 20, epochs: 2, loss: 2 / step, accuracy: [0.1, 0.2], learningRate: 0.1, gradientNorm: 1, imagesPerSecond: 100, secondsLeft: 9 })}\n`;
    for (const step of [10, 20, 30]) {
      appendFileSync(join(run, "metrics.jsonl"), line(step));
      await eventually(() => main.textContent()).toContain(`${step} of 40`);
    }
    expect(await main.textContent()).toContain("live");
    await own.close();
    await expect.poll(() => main.textContent()).toContain("the connection to the server is lost");
    await page.close();
  });

  test("training in the browser lowers the loss, and the network can be tried", { timeout: LONG }, async () => {
    const page = await open("train");
    page.setDefaultTimeout(LONG);
    await page.getByLabel("Pictures").selectOption("1000");
    await page.getByLabel("Epochs").selectOption("2");
    await page.getByRole("button", { name: "Train here" }).click();
    const loss = () =>
      page.evaluate<number>(
        `Number([...document.querySelectorAll("dt")].find((one) => one.textContent === "loss")?.nextElementSibling.textContent)`,
      );
    await page.locator(".ee-facts").first().waitFor();
    const first = await loss();
    const begin = page.getByRole("button", { name: "Try this network" });
    await begin.waitFor();
    expect(first).toBeGreaterThan(1.5);
    expect(await loss()).toBeLessThan(first - 0.2);
    expect(await page.locator("main").textContent()).toContain("On pictures that it has never seen");
    await begin.click();
    await eventually(() => page.getByLabel("Model").inputValue()).toBe("trained-here");
    await page.locator("#try-title").waitFor();
    await page.locator(".taken").waitFor();
    expect(page.errors).toEqual([]);
    await page.close();
  });

  test("a browser without WebGPU says so, and trains on the processor", async () => {
    const page = await open("train");
    const choice = page.getByLabel("On");
    expect(await choice.locator("option", { hasText: "not in this browser" }).isDisabled()).toBe(true);
    expect(await choice.inputValue()).toBe("wasm");
    await page.close();
  });

  test("a training can be stopped and begun again", async () => {
    const page = await open("train");
    await page.getByRole("button", { name: "Train here" }).click();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("stopped", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Train here" }).waitFor();
    expect(await page.getByRole("alert").last().textContent()).toBe("");
    await page.close();
  });

  test("with the keyboard alone", async () => {
    const page = await open();
    await page.locator(".taken").waitFor();
    const reached: string[] = [];
    for (let i = 0; i < 45; i++) {
      await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate<string>(
          `(document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText ?? "").trim().split("\\n")[0]`,
        ),
      );
    }
    const controls = [
      "Try it",
      "Teach it",
      "Watch it learn",
      "Train in the browser",
      "Model",
      "Choose pictures",
      "Draw more",
      "Clear",
      "How much may an answer cost?",
    ];
    expect(reached).toEqual(expect.arrayContaining(controls));

    const before = await page.locator(".answer").textContent();
    const other = page.locator(".strip button[aria-pressed=false]").last();
    await other.focus();
    await page.keyboard.press("Enter");
    await eventually(() => page.locator(".answer").textContent()).not.toBe(before);

    await page.getByRole("link", { name: "Train in the browser" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Train in the browser" }).waitFor();
    await page.close();
  });

  test.each(["light", "dark"] as const)("nothing serious for axe, %s", async (colorScheme) => {
    const axe = await readFile(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
    const page = await open();
    await page.emulateMedia({ colorScheme });
    await page.locator(".taken").waitFor();
    for (const [at, place] of PLACES.entries()) {
      await page.getByRole("navigation", { name: "Places" }).getByRole("link").nth(at).click();
      await page.locator(`#${place}-title`).waitFor();
      await page.evaluate(axe);
      const { violations } = await page.evaluate<{
        violations: { id: string; impact: string; nodes: { html: string }[] }[];
      }>("axe.run()");
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(serious.map(({ id, nodes }) => `${place} ${id}: ${nodes[0]!.html}`)).toEqual([]);
    }
    await page.close();
  });

  test("readable at 360 pixels", async () => {
    const page = await open("", { width: 360, height: 740 });
    await page.locator(".taken").waitFor();
    for (const [at, place] of PLACES.entries()) {
      await page.getByRole("navigation", { name: "Places" }).getByRole("link").nth(at).click();
      await page.locator(`#${place}-title`).waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    }
    await page.close();
  });
});

/** [3, 32, 32] of a file */
async function pixelsOf(file: string): Promise<Uint8Array> {
  const area = 32 * 32;
  const rgb = await sharp(file).removeAlpha().raw().toBuffer();
  return Uint8Array.from({ length: 3 * area }, (_, i) => rgb[3 * (i % area) + Math.floor(i / area)]!);
}

/** @param pixels [3, 32, 32] */
async function writePicture(file: string, pixels: Uint8Array): Promise<void> {
  const area = 32 * 32;
  const rgb = Uint8Array.from({ length: 3 * area }, (_, i) => pixels[(i % 3) * area + Math.floor(i / 3)]!);
  await sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } })
    .png()
    .toFile(file);
}
