/** The page at /, in Chromium: it draws what comes, and its button makes the price rise. */
import { type RunningService, serve } from "@earlyexit/server";
import { afterEach, expect, test } from "vitest";
import { CHROMIUM, launchChromium } from "../../test/web/chromium.ts";
import { MODEL } from "./pictures.ts";

let service: RunningService | null = null;
afterEach(async () => {
  await service?.close();
});

test.skipIf(!CHROMIUM)(
  "a burst is seen: arrivals, exits, a price above the quiet one; nothing comes from elsewhere",
  async () => {
    service = await serve({ models: { shapes: MODEL }, port: 0, workers: 1, watchMs: 0 });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
      const elsewhere: string[] = [];
      const mistakes: string[] = [];
      page.on("request", (one) => void (one.url().startsWith(service!.url) || elsewhere.push(one.url())));
      page.on("pageerror", (error) => void mistakes.push(error.message));
      page.on("console", (one) => void (one.type() === "error" && mistakes.push(one.text())));
      await page.goto(service.url);
      await page.getByText(/waiting, version [\da-f]{12}/).waitFor();
      await page.getByRole("button", { name: "Send a burst" }).click();
      await page.getByRole("button", { name: "Send a burst" }).isEnabled();
      await expect.poll(() => page.locator("#exits path[d^=M]").count(), { timeout: 60_000 }).toBeGreaterThan(0);
      const seconds = service.deployments.get("shapes")!.live.read();
      expect(seconds.reduce((sum, { arrivals }) => sum + arrivals, 0)).toBeGreaterThan(6);
      if (process.env.EARLYEXIT_SCREENSHOT)
        await page.waitForTimeout(7000).then(() => page.screenshot({ path: process.env.EARLYEXIT_SCREENSHOT! }));
      expect(elsewhere.filter((url) => !url.startsWith("data:"))).toEqual([]);
      expect(mistakes.filter((text) => !/favicon|404|429/.test(text))).toEqual([]);
    } finally {
      await browser.close();
    }
  },
);
