import { createRequire } from "node:module";
import { readFile } from "../files/reader.ts";
import type { ReportData } from "./report-data.ts";

/** Where the template takes its data; `web/report/report-template.html` is the source of it. */
const PLACE = '<script type="application/json" id="report-data"></script>';

/**
 * The report as one self-contained HTML file. The data go in as JSON, which the page reads as text: no character of a class
 * name or a file can become markup.
 *
 * @throws {Error} if the package was not built
 */
export async function reportHtml(data: ReportData): Promise<string> {
  const template = await readFile(createRequire(import.meta.url).resolve("#report-template"));
  const parts = new TextDecoder().decode(template).split(PLACE);
  if (parts.length !== 2)
    throw new Error(`report: a template with one place for data expected, found ${parts.length - 1}; build it again`);
  return parts.join(PLACE.replace("></", `>${jsonInHtml(data)}</`));
}

/** JSON that ends no script element and begins no comment: every < is written as an escape. */
export function jsonInHtml(data: unknown): string {
  return JSON.stringify(data).replaceAll("<", "\\u003c");
}
