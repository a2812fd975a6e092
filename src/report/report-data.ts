import type { TradeOffPoint } from "../evaluation/comparison.ts";
import type { DetailedEvaluation } from "../evaluation/details.ts";
import type { EvaluationFigures } from "../evaluation/figures.ts";

/** A picture of the split that was evaluated, and what happened to it. */
export interface ExamplePicture {
  /** a PNG as a data URL */
  readonly png: string;
  /** names of classes */
  readonly label: string;
  readonly answer: string;
  /** of the exit where it left, 0..1 */
  readonly confidence: number;
}

/** Pictures that left at one exit, from the surest answer to the least sure. */
export interface ExitExamples {
  /** 1..E */
  readonly exit: number;
  readonly pictures: readonly ExamplePicture[];
}

/** A picture whose label may be wrong. */
export interface SuspectPicture extends ExamplePicture {
  /** of the file within the data, or its number where it has no name */
  readonly name: string;
}

/** Where an imported network can be cut, and how right a quick probe is there. */
export interface CutProbe {
  readonly cut: string;
  /** Of the network's multiply-accumulates that are spent there, 0..1 */
  readonly share: number;
  /** 0..1 */
  readonly accuracy: number;
  /** An exit was put there. */
  readonly chosen: boolean;
}

/** All that `report.html` shows; whatever is null or empty is left out of it. */
export interface ReportData {
  /** name of the run folder */
  readonly name: string;
  /** [name, value] */
  readonly facts: readonly (readonly [string, string])[];
  /** empty where the network is ours */
  readonly probes?: readonly CutProbe[];
  /** `metrics.jsonl` as it is */
  readonly metrics: string;
  readonly evaluation: DetailedEvaluation | EvaluationFigures | null;
  /** [E] */
  readonly examples: readonly ExitExamples[] | null;
  /** the surest contradictions first; null where nobody looked for them */
  readonly suspects: readonly SuspectPicture[] | null;
  /** what the report could not show, and how to get it; one sentence each */
  readonly missing: readonly string[];
}

/** What of a report is drawn, as files for a paper. */
export type FigureData = Pick<ReportData, "evaluation" | "metrics" | "probes">;

/** Several runs in one plot: accuracy over cost. */
export interface CurvesData {
  readonly runs: readonly {
    readonly name: string;
    /** What decides in it, lambdas rising. */
    readonly points: readonly Pick<TradeOffPoint, "lambda" | "accuracy" | "costMacs">[];
    /** What it reaches at its own lambda. */
    readonly chosen: Pick<TradeOffPoint, "accuracy" | "costMacs">;
  }[];
  /** What costs count, the same in all. */
  readonly costUnit: string;
}
