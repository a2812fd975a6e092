// The README's moving picture, recorded from the real page: pictures travel, the dial turns.
// node scripts/readme-film.mjs docs/page.webp (needs chromium, and the package as built)
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";

const [film] = process.argv.slice(2);
if (!film) throw new Error("readme-film: the name of a .webp expected");
const MOST_BYTES = 1e6;
const SIZE = { width: 1000, height: 760 };

const command = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const server = spawn(process.execPath, [command, "ui", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
const frames = [];
const delays = [];
let browser;
try {
  const url = await new Promise((found, failed) => {
    server.stdout.setEncoding("utf8").once("data", (text) => found(text.trim()));
    server.once("exit", (code) => failed(new Error(`readme-film: a server expected, found exit code ${code}`)));
  });
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  const page = await browser.newPage({ viewport: SIZE, colorScheme: "light", reducedMotion: "reduce" });
  await page.goto(url);
  await page.locator(".taken").waitFor({ timeout: 120_000 });
  const shoot = async (milliseconds) => {
    frames.push(await page.screenshot());
    delays.push(milliseconds);
  };
  const strip = page.locator(".strip button");
  await shoot(1500);
  for (const nth of [3, 7, 11, 15]) {
    await strip.nth(nth).click();
    await page.waitForTimeout(600);
    await shoot(1300);
  }
  const dial = page.locator("input[type=range]").first();
  await dial.focus();
  for (let turn = 0; turn < 8; turn++) {
    for (let press = 0; press < 4; press++) await page.keyboard.press("ArrowRight");
    await page.waitForTimeout(500);
    await shoot(turn < 7 ? 350 : 2500);
  }
  const small = await Promise.all(frames.map((frame) => sharp(frame).resize(800).png().toBuffer()));
  await sharp(small, { join: { animated: true } })
    .webp({ quality: 70, effort: 4, loop: 0, delay: delays })
    .toFile(film);
  const { size } = statSync(film);
  if (size > MOST_BYTES) throw new Error(`readme-film: at most ${MOST_BYTES} bytes expected, found ${size}`);
  process.stdout.write(`${film}: ${frames.length} frames, ${size} bytes\n`);
} finally {
  await browser?.close();
  server.kill("SIGTERM");
}
