import { useEffect, useState } from "preact/hooks";
import { ComparedRuns, type Evaluation, readEvaluation } from "../../panels/index.ts";
import { Part } from "../part.tsx";

interface ListedRun {
  readonly name: string;
  readonly changedMs: number;
  readonly isEvaluated: boolean;
}

/** More would be lines over lines. */
const MOST = 8;

/** The runs that lie together, to be laid over each other. */
export function Runs({ tell }: { readonly tell: (problem: unknown) => void }) {
  const [runs, setRuns] = useState<readonly ListedRun[]>([]);
  const [chosen, setChosen] = useState<ReadonlyMap<string, Evaluation>>(new Map());
  useEffect(() => {
    fetch("api/runs").then(async (response) => setRuns(await response.json()), tell);
  }, [tell]);
  if (runs.length === 0) return null;
  const choose = async (name: string, isChosen: boolean): Promise<void> => {
    const others = new Map([...chosen].filter(([one]) => one !== name));
    if (!isChosen) return setChosen(others);
    try {
      const response = await fetch(`runs/${encodeURIComponent(name)}/evaluation.json`);
      const evaluation = readEvaluation(await response.json());
      if (evaluation) setChosen((before) => new Map([...before, [name, evaluation]]));
      else tell(`${name}: its evaluation.json holds nothing that can be drawn.`);
    } catch (problem) {
      tell(problem);
    }
  };
  return (
    <Part id="runs" title="Runs" isOpen>
      <p class="note">Choose up to {MOST} to see them over each other.</p>
      <ul class="runs">
        {runs.map(({ name, changedMs, isEvaluated }) => (
          <li key={name}>
            <label>
              <input
                type="checkbox"
                checked={chosen.has(name)}
                disabled={!isEvaluated || (chosen.size >= MOST && !chosen.has(name))}
                onChange={(event) => choose(name, event.currentTarget.checked)}
              />{" "}
              {name} <small>{isEvaluated ? new Date(changedMs).toLocaleString() : "not evaluated yet"}</small>
            </label>
          </li>
        ))}
      </ul>
      {chosen.size > 0 && <ComparedRuns runs={[...chosen].map(([name, evaluation]) => ({ name, evaluation }))} />}
    </Part>
  );
}
