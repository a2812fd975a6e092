/** What the runs of a sweep say together, as plain data: `report.json`, and what its plots are made of. */
import type { PairedDifference, Repeated } from "../evaluation/repeated.ts";

/** What a run reached at one lambda. Accuracy and savings are 0..1, costs MACs per image. */
export interface PointFigures {
  readonly accuracy: number;
  readonly costMacs: number;
  readonly savings: number;
  /** accuracy in percent x savings */
  readonly effectiveness: number;
  /** accuracy - lambda x mean cost / full cost */
  readonly return: number;
}

/** By what settings are ranked on validation. */
export const RANKINGS = ["return", "accuracy", "savings", "effectiveness"] as const;
export type Ranking = (typeof RANKINGS)[number];

export type EachFigure<T> = Readonly<Record<keyof PointFigures, T>>;

/** One line of the table. */
export interface SettingReport {
  readonly setting: string;
  /** null: of each run the recommended one. */
  readonly lambda: number | null;
  /** Seeds of the runs that are done. */
  readonly seeds: readonly number[];
  readonly test: EachFigure<Repeated>;
  readonly validation: EachFigure<Repeated>;
  /** This one minus the best, on the test split, over the seeds that both have; absent for the best. */
  readonly minusBest?: EachFigure<PairedDifference>;
  /** The best by the mean on validation, among those of the same lambda. */
  readonly isBest: boolean;
}

export interface SweepReport {
  readonly by: Ranking;
  readonly runs: { readonly done: number; readonly of: number };
  readonly settings: readonly SettingReport[];
}
