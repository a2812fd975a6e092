import { useEffect, useState } from "preact/hooks";
import { type ComparedRun, ComparedRuns, readEvaluation, readLines, readOrigins } from "../../panels/index.ts";
import { Trouble } from "../client.ts";
import { Part } from "../part.tsx";

interface ListedRun {
  readonly name: string;
  readonly changedMs: number;
  readonly isEvaluated: boolean;
  readonly hasOrigin: boolean;
}

/** More would be lines over lines. */
const MOST = 8;

/** The runs that lie together, to be laid over each other. */
export function Runs({ tell }: { readonly tell: (problem: unknown) => void }) {
  const [runs, setRuns] = useState<readonly ListedRun[]>([]);
  const [chosen, setChosen] = useState<readonly ComparedRun[]>([]);
  useEffect(() => {
    fetch("api/runs").then(async (response) => setRuns(await response.json()), tell);
  }, [tell]);
  if (runs.length === 0) return null;
  const isChosen = (name: string): boolean => chosen.some((one) => one.name === name);
  const choose = async (run: ListedRun, isWanted: boolean): Promise<void> => {
    if (!isWanted) return setChosen((before) => before.filter(({ name }) => name !== run.name));
    try {
      const read = await readRun(run);
      setChosen((before) => [...before.filter(({ name }) => name !== run.name), read].slice(-MOST));
    } catch (problem) {
      tell(problem);
    }
  };
  return (
    <Part id="runs" title="Runs" isOpen>
      <p class="note">Choose up to {MOST} to see them over each other.</p>
      <ul class="runs">
        {runs.map((run) => (
          <li key={run.name}>
            <label>
              <input
                type="checkbox"
                checked={isChosen(run.name)}
                disabled={chosen.length >= MOST && !isChosen(run.name)}
                onChange={(event) => choose(run, event.currentTarget.checked)}
              />{" "}
              {run.name}{" "}
              <small>
                {new Date(run.changedMs).toLocaleString()}
                {!run.isEvaluated && ", not evaluated yet"}
              </small>
            </label>
          </li>
        ))}
      </ul>
      {chosen.length > 0 && <ComparedRuns runs={chosen} />}
    </Part>
  );
}

/** As it is now. @throws {Trouble} if it holds nothing that can be drawn */
async function readRun({ name, isEvaluated, hasOrigin }: ListedRun): Promise<ComparedRun> {
  const file = (kind: string): Promise<Response> => fetch(`runs/${encodeURIComponent(name)}/${kind}`);
  const [metrics, origin, found] = await Promise.all([
    file("metrics.jsonl"),
    hasOrigin ? file("origin.json") : null,
    isEvaluated ? file("evaluation.json") : null,
  ]);
  const lines = metrics.ok ? readLines(await metrics.text()) : [];
  const evaluation = found?.ok ? readEvaluation(await found.json()) : null;
  if (isEvaluated && !evaluation) throw new Trouble(`${name}: its evaluation.json holds nothing that can be drawn.`);
  if (!evaluation && lines.length === 0)
    throw new Trouble(
      `${name}: nothing that can be drawn was found in its metrics.jsonl; it has just begun, or is damaged.`,
    );
  return { name, lines, evaluation, origins: origin?.ok ? readOrigins(await origin.json()) : [] };
}
