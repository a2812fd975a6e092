import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSamples, type Dataset } from "../../src/dataset/dataset.ts";
import { storedSuspects, suspectFiles } from "../../src/report/suspect-files.ts";
import { ANSWERED, RULE, TABLE } from "../evaluation/by-hand.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-suspects-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The four images of `by-hand.ts` with the labels turned round: the last exit denies all of them. */
const labels = TABLE.labels.map((label) => 1 - label);
const samples = { ...createSamples(new Uint8Array(4 * 3), labels), names: ["a.jpg", "=b,c.jpg", "<i>.jpg", "d.jpg"] };
const data: Dataset = {
  name: "made up",
  imageShape: [3, 1, 1],
  classes: ["cat", "dog"],
  train: null,
  validation: null,
  test: samples,
};
const policy = { validation: TABLE, agent: RULE } as never; // there is no validation split to look at

test("the surest first, as a list, as a page and for report and page", async () => {
  expect(await storedSuspects(folder)).toBeNull();
  const { suspects, files } = await suspectFiles(data, policy, { ...ANSWERED, labels });
  expect(suspects.map(({ name, label, answer, confidence }) => [name, label, answer, confidence.toFixed(2)])).toEqual([
    ["a.jpg", "dog", "cat", "0.90"],
    ["=b,c.jpg", "dog", "cat", "0.90"],
    ["<i>.jpg", "cat", "dog", "0.90"],
    ["d.jpg", "cat", "dog", "0.75"],
  ]);
  expect(suspects[0]!.png).toMatch(/^data:image\/png;base64,/);
  const [header, , second] = files.get("suspects.csv")!.split("\n");
  expect(header).toBe("split,file,label,answer,confidence,label_probability");
  expect(second).toBe(`test,"'=b,c.jpg",dog,cat,0.9000,0.1000`); // no formula for a spreadsheet
  const html = files.get("suspects.html")!;
  expect(html).toContain("a.jpg: labelled dog, looks like cat (90%)");
  expect(html).not.toContain("<i>");
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  expect(await storedSuspects(folder)).toEqual(suspects);
});

test("where every label is believed, the files say so: what an earlier look left is replaced", async () => {
  const right = { ...data, test: { ...samples, labels: TABLE.labels } };
  const { suspects, files } = await suspectFiles(right, policy, ANSWERED);
  expect(suspects).toEqual([]);
  expect([...files.keys()].sort()).toEqual(["suspects.csv", "suspects.html", "suspects.json"]);
  expect(files.get("suspects.csv")).not.toContain("jpg");
});
