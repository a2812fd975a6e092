import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { jsonInHtml, reportHtml } from "../../src/report/html.ts";
import { reportFile } from "../../src/report/run-report.ts";
import { HOSTILE } from "./made-up-report.ts";

const EMPTY = { name: "run", facts: [], metrics: "", evaluation: null, examples: null, suspects: null, missing: [] };

describe("the report's data", () => {
  test("comes back as it was, and holds no <", () => {
    const data = { ...EMPTY, name: HOSTILE.join("\u2028$& \\u003c"), missing: HOSTILE };
    expect(jsonInHtml(data)).not.toContain("<");
    expect(JSON.parse(jsonInHtml(data))).toEqual(data);
  });

  test("goes into one place of one self-contained file", async () => {
    const html = await reportHtml({ ...EMPTY, missing: HOSTILE });
    const [, json] = /<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(html)!;
    expect(JSON.parse(json!)).toMatchObject({ missing: HOSTILE });
    expect(html.match(/<script\b/g)!.length).toBe((await reportHtml(EMPTY)).match(/<script\b/g)!.length);
    expect(html).not.toMatch(/<(?:script|img|link)[^>]*(?:src|href)="(?!data:)/);
    expect(html).toMatch(/content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-/);
  });
});

describe("a folder's report", () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-report-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("is named after the folder and takes its metrics as they are", async () => {
    const metrics = '{"kind":"train"}\n{"kind":"le'; // a run that is being written
    writeFileSync(join(folder, "metrics.jsonl"), metrics);
    const [name, html] = await reportFile(folder, {
      model: null,
      evaluation: null,
      examples: null,
      suspects: null,
      missing: ["this"],
    });
    expect(name).toBe("report.html");
    const [, json] = /id="report-data">(.*?)<\/script>/s.exec(html)!;
    expect(JSON.parse(json!)).toEqual({
      ...EMPTY,
      name: folder.split("/").at(-1),
      metrics,
      missing: ["this"],
      probes: [],
    });
  });
});
