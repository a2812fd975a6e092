// The README's picture: the accuracy/cost curve out of a report, as the report draws it.
// node scripts/readme-picture.mjs runs/cifar10/report.html docs/accuracy-cost.png (needs chromium)
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [report, picture] = process.argv.slice(2);
if (!report || !picture) throw new Error("readme-picture: a report.html and the name of a .png expected");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
try {
  const page = await browser.newPage({ viewport: { width: 900, height: 900 }, deviceScaleFactor: 2 });
  await page.goto(pathToFileURL(report).href);
  const curve = page.locator("figure", { has: page.getByRole("heading", { name: "Accuracy and cost", exact: true }) });
  await curve.locator("svg").first().waitFor();
  for (const table of await curve.locator("details").all()) await table.evaluate((one) => one.remove());
  await curve.screenshot({ path: picture });
} finally {
  await browser.close();
}
