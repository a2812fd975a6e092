import type { LoadedModel } from "../use-model.ts";

export interface Offer {
  readonly id: string;
  readonly title: string;
}

/** The model that this page has trained itself. */
export const TRAINED: Offer = { id: "trained-here", title: "Trained in this browser" };

interface ModelChoiceProps {
  readonly offers: readonly Offer[];
  readonly chosen: string | null;
  readonly onChoose: (id: string) => void;
  readonly model: LoadedModel | null;
}

/** Fetching, compiling and warming up, which no picture waits for. */
function startOf(ms: number): string {
  return ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function ModelChoice({ offers, chosen, onChoose, model }: ModelChoiceProps) {
  const facts = model?.facts;
  return (
    <div class="model-choice">
      <label for="model">Model</label>
      <select id="model" value={chosen ?? ""} onChange={(event) => onChoose(event.currentTarget.value)}>
        {offers.map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </select>
      <span class="status" role="status">
        {facts
          ? `ready: ${facts.name}, ${facts.costs.exitMacs.length} exits, ${facts.classes.length} classes; started in ${startOf(facts.startMs)}`
          : "loading the model..."}
      </span>
    </div>
  );
}
