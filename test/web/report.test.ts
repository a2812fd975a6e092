/** `report.html` as people meet it: from disk, in headless Chromium, without a network. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reportHtml } from "../../src/report/html.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { HOSTILE, madeUpReport } from "../report/made-up-report.ts";
import { CHROMIUM, launchChromium } from "./chromium.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Of a machine that is busy with other things. */
const PATIENCE = 120_000;

describe.skipIf(!CHROMIUM)(`the report${CHROMIUM ? "" : " (Chromium not found)"}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-report-"));
  const address = pathToFileURL(join(folder, "report.html")).href;
  let browser: Browser;

  beforeAll(async () => {
    const data = await madeUpReport(createNodeRuntime({ threads: 1 }));
    writeFileSync(join(folder, "report.html"), await reportHtml(data));
    writeFileSync(join(folder, "broken.html"), await reportHtml({ ...data, evaluation: { exits: 3 } as never }));
    browser = await launchChromium();
  }, PATIENCE);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Opened {
    readonly page: Page;
    /** addresses asked for */
    readonly requests: string[];
    /** what the console said, and errors */
    readonly said: string[];
  }

  async function open(options: { width?: number; dark?: boolean; at?: string } = {}): Promise<Opened> {
    const { width = 1200, dark = false, at = address } = options;
    const page = await browser.newPage({
      viewport: { width, height: 900 },
      colorScheme: dark ? "dark" : "light",
      offline: true,
    });
    page.setDefaultTimeout(PATIENCE);
    const [requests, said]: string[][] = [[], []];
    page.on("request", (request) => requests!.push(request.url()));
    page.on("console", (message) => said!.push(message.text()));
    page.on("pageerror", (error) => said!.push(error.message));
    await page.goto(at);
    await page.waitForFunction(
      "document.querySelector('.ee-plot') && [...document.querySelectorAll('.ee-plot')].every((plot) => plot.querySelector('svg'))",
    );
    return { page, requests: requests!, said: said! };
  }

  test("opens from disk, asks for nothing, complains of nothing, and runs nothing that it was given", {
    timeout: PATIENCE,
  }, async () => {
    const { page, requests, said } = await open();
    expect(requests.filter((url) => !url.startsWith("data:"))).toEqual([address]);
    expect(said).toEqual([]);
    expect(await page.title()).toBe("runs/<b>made up</b>: earlyexit report");
    expect(await page.textContent("h1")).toBe("runs/<b>made up</b>");
    const text = (await page.textContent("main"))!;
    for (const name of HOSTILE) expect(text).toContain(name);
    expect(await page.evaluate("globalThis.harmed")).toBeUndefined();
    expect(await page.evaluate("document.querySelectorAll('main script, main b, img[src=x]').length")).toBe(0);
    await page.close();
  });

  test("holds every panel, each plot with axis titles and a text alternative", { timeout: PATIENCE }, async () => {
    const { page } = await open();
    expect(await page.locator("h3").allTextContents()).toEqual([
      "Accuracy and cost",
      "The policy beside its yardsticks, at lambda 0.1",
      "Exits",
      "Where images leave",
      "Classes by exit",
      "What is taken for what",
      "Confidence at each exit",
      "Calibration of each exit",
      "Exit 1",
      "Exit 2",
      "Exit 3",
      "Exit 4",
      "What a linear probe knows at each cut",
      "Return",
      "Distance to optimal stopping",
      "Exit shares",
      "Epsilon",
      "Loss",
      "Accuracy per exit",
      "Learning rate",
      "Speed of training",
    ]);
    const plots = await page.evaluate<{ label: string | null; x: string; y: string }[]>(`
      [...document.querySelectorAll(".ee-plot")].map((plot) => {
        const title = (axis) => plot.querySelector('[aria-label="' + axis + '-axis label"]')?.textContent ?? "";
        return { label: plot.getAttribute("role") === "img" ? plot.getAttribute("aria-label") : null, x: title("x"), y: title("y") };
      })`);
    expect(plots).toHaveLength(4 + 8 + 1 + 4 + 4);
    for (const { label, x, y } of plots) {
      expect(label).toMatch(/\w{3,}.*\.$/);
      expect(x, label!).toMatch(/\w/);
      if (!/^(Where images leave|Classes by exit|What is taken for what)/.test(label!)) expect(y, label!).toMatch(/\w/); // these name every row
    }
    expect(plots[0]).toMatchObject({ x: "mean cost per image (M MACs) →", y: "↑ accuracy (%)" });
    expect(await page.locator(".report-examples img").count()).toBe(3 * HOSTILE.length);
    expect(await page.locator(".ee-suspects img").count()).toBe(HOSTILE.length);
    await page.close();
  });

  test.each(["light", "dark"])("axe finds nothing serious: %s", { timeout: PATIENCE }, async (scheme) => {
    const { page } = await open({ dark: scheme === "dark" });
    await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
    await page.evaluate(AXE);
    const { violations } = await page.evaluate<{ violations: { id: string; impact: string; nodes: object[] }[] }>(
      "axe.run()",
    );
    expect(violations.map(({ id, impact, nodes }) => `${impact}: ${id} (${nodes.length})`)).toEqual([]);
    await page.close();
  });

  test("dark is dark, light is light", { timeout: PATIENCE }, async () => {
    const lightness = async (dark: boolean): Promise<number[]> => {
      const { page } = await open({ dark });
      const colours = await page.evaluate<string[]>(
        "((style) => [style.backgroundColor, style.color])(getComputedStyle(document.body))",
      );
      await page.close();
      return colours.map((colour) => Number(/\d+/.exec(colour)![0]));
    };
    const [[paper, ink], [night, chalk]] = [await lightness(false), await lightness(true)];
    expect(paper).toBeGreaterThan(200);
    expect(ink).toBeLessThan(60);
    expect(night).toBeLessThan(60);
    expect(chalk).toBeGreaterThan(200);
  });

  test("a phone needs no sideways scrolling, and tables open by keyboard", { timeout: PATIENCE }, async () => {
    const { page } = await open({ width: 360 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    const details = page.locator("details").first();
    await details.locator("summary").focus();
    await page.keyboard.press("Enter");
    expect(await details.locator("table").isVisible()).toBe(true);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.matches('.ee-scroll')")).toBe(true);
    await page.close();
  });

  test("zooms to the knee of accuracy and cost and back, by keyboard", { timeout: PATIENCE }, async () => {
    const { page } = await open({});
    const marks = (axis: string) =>
      page.evaluate<string[]>(
        `[...document.querySelector(".ee-plot").querySelectorAll('[aria-label="${axis}-axis tick label"] text')].map((one) => one.textContent)`,
      );
    const [far, all] = [await marks("y"), await marks("x")];
    const span = (texts: readonly string[]): number => Math.max(...texts.map(Number)) - Math.min(...texts.map(Number));
    await page.getByRole("checkbox", { name: /^Zoom to the knee/ }).focus();
    await page.keyboard.press("Space");
    await expect.poll(() => marks("y")).not.toEqual(far);
    expect(span(await marks("x"))).toBeLessThan(span(all));
    await page.keyboard.press("Space");
    await expect.poll(() => marks("y")).toEqual(far);
    expect(await marks("x")).toEqual(all);
    await page.close();
  });

  test("figures that cannot be drawn leave the rest alone", { timeout: PATIENCE }, async () => {
    const { page, said } = await open({ at: pathToFileURL(join(folder, "broken.html")).href });
    expect(said).toEqual([]);
    expect(await page.textContent('[role="alert"]')).toContain("These panels cannot be drawn");
    expect(await page.locator(".ee-plot svg[class]").count()).toBe(9); // probes, learning and training
    await page.close();
  });
});
