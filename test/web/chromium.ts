/** The browser that the tests drive. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

export const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];

if (!CHROMIUM) {
  if (process.env.CI) throw new Error("the tests in a browser: Chromium expected, found none; install it");
  console.warn("The tests in a browser are skipped: Chromium not found. Install it to run them.");
}

export const launchChromium = (...more: string[]) =>
  chromium.launch({ executablePath: CHROMIUM!, args: [...ARGUMENTS, ...more] });

/** A graphics processor in software: for what it computes, not for how fast. */
export const SOFTWARE_WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
