/** The panels of page and report: plain JSON in, plots and tables out. Load `panels.css` with them. */

export { AgentPanels } from "./agent.tsx";
export { type ComparedRun, ComparedRuns, RunCurves } from "./compared-runs.tsx";
export { AccuracyCostCurve } from "./curve.tsx";
export { calibrationCurve, type Evaluation, type RunLine, readEvaluation, readLines, type Suspects } from "./data.ts";
export { EvaluationPanels } from "./evaluation.tsx";
export { Origins, type RunOrigin, readOrigins } from "./origins.tsx";
export { ProbesPanel } from "./probes.tsx";
export { SuspectGallery } from "./suspects.tsx";
export { SweepPanels } from "./sweep.tsx";
export { TrainingPanels } from "./training.tsx";
