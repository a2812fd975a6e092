/** The panels of page and report: plain JSON in, plots and tables out. Load `panels.css` with them. */
export { AgentPanels } from "./agent.tsx";
export { AccuracyCostCurve } from "./curve.tsx";
export {
  type Curve,
  type CurvePoint,
  calibrationCurve,
  type Evaluation,
  type LearnLine,
  type RunLine,
  readLine,
  readLines,
  type TrainLine,
} from "./data.ts";
export { EvaluationPanels } from "./evaluation.tsx";
export { TrainingPanels } from "./training.tsx";
