import type { RunLine } from "./data.ts";

interface TrainingPanelsProps {
  /** Of a run's `metrics.jsonl`; those of other kinds are passed over. */
  readonly lines: readonly RunLine[];
}

/** The network's training: loss, accuracy per exit, learning rate, images per second, time left. */
export function TrainingPanels(_: TrainingPanelsProps) {
  return null;
}
