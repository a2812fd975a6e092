import { render } from "preact";
import type { ReportData } from "../../src/report/report-data.ts";
import "../panels/panels.css";
import { Report } from "./report.tsx";
import "./report.css";

const data = JSON.parse(document.getElementById("report-data")!.textContent) as ReportData;
document.title = `${data.name}: earlyexit report`;
render(<Report data={data} />, document.getElementById("report")!);
