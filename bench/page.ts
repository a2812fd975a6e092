/**
 * How soon the page is there: first paint, model ready, first answer, from localhost in a fresh headless Chromium, and how much
 * script it is. `npm run bench:page [-- --short]`; short: each page once
 */
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { serve } from "../src/server/serve.ts";
import { launchChromium } from "../test/web/chromium.ts";

const { values: flags } = parseArgs({ options: { short: { type: "boolean", default: false } } });
const RUNS = flags.short ? 1 : 5;
const MODELS = ["shapes", "cifar10"];

interface Times {
  firstPaintMs: number;
  readyMs: number;
}

async function open(url: string, script: string): Promise<Times> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ reducedMotion: "reduce" });
    await page.goto(url);
    await page.getByText(/^ready:/).waitFor({ timeout: 120_000 });
    return await page.evaluate<Times>(script);
  } finally {
    await browser.close();
  }
}

const LOOK = `({
  firstPaintMs: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
  readyMs: performance.now(),
})`;

function scriptBytes(): { name: string; bytes: number }[] {
  const folder = new URL("../dist/page/assets/", import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".js"))
    .map((name) => ({ name, bytes: gzipSync(readFileSync(new URL(name, folder))).length }));
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

for (const id of MODELS) {
  const folder = new URL(`../models/${id}`, import.meta.url).pathname;
  const server = await serve({ models: [{ id, title: id, folder }], run: null, port: 0 });
  const times: Times[] = [];
  for (let run = 0; run < RUNS; run++) times.push(await open(server.url, LOOK));
  await server.close();
  const paint = median(times.map(({ firstPaintMs }) => firstPaintMs));
  const ready = median(times.map(({ readyMs }) => readyMs));
  console.log(
    `${id}: first paint ${paint.toFixed(0)} ms, model ready ${ready.toFixed(0)} ms (median of ${RUNS} fresh browsers)`,
  );
}
const scripts = scriptBytes();
for (const { name, bytes } of scripts) console.log(`${(bytes / 1000).toFixed(1).padStart(6)} kB gzipped  ${name}`);
console.log(
  `${(scripts.reduce((sum, { bytes }) => sum + bytes, 0) / 1000).toFixed(1).padStart(6)} kB gzipped  all scripts`,
);
