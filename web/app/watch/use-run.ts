import { useEffect, useState } from "preact/hooks";
import {
  type Evaluation,
  type RunLine,
  type RunOrigin,
  readEvaluation,
  readLines,
  readOrigins,
  type Suspects,
} from "../../panels/index.ts";

export interface WatchedRun {
  /** null where the page was started without one, undefined until that is known */
  readonly folder: string | null | undefined;
  readonly state: "connecting" | "lost" | "waiting" | "live" | "still";
  readonly lines: readonly RunLine[];
  readonly evaluation: Evaluation | null;
  /** null: nobody has looked for them */
  readonly suspects: Suspects | null;
  /** Where it was begun and where it went on; none before it has begun. */
  readonly origins: readonly RunOrigin[];
}

const NOTHING: WatchedRun = {
  folder: undefined,
  state: "connecting",
  lines: [],
  evaluation: null,
  suspects: null,
  origins: [],
};

/** The run that the server follows. A lost connection comes back by itself and goes on where it was. */
export function useRun(onTrouble: (problem: unknown) => void): WatchedRun {
  const [run, setRun] = useState(NOTHING);
  useEffect(() => {
    const update = (change: Partial<WatchedRun>): void => setRun((before) => ({ ...before, ...change }));
    fetchJson("api/run")
      .then((found) => update({ folder: (found as { folder: string | null }).folder }))
      .catch(() =>
        onTrouble(
          "The server behind this page does not answer; is 'earlyexit ui' still running? Reload the page then.",
        ),
      );
  }, [onTrouble]);

  const { folder } = run;
  useEffect(() => {
    if (!folder) return;
    const update = (change: Partial<WatchedRun>): void => setRun((before) => ({ ...before, ...change }));
    const events = new EventSource("api/run/events");
    events.addEventListener("lines", ({ data }) => {
      const lines = readLines(data);
      setRun((before) => ({ ...before, lines: [...before.lines, ...lines] }));
    });
    events.addEventListener("restart", () => update({ lines: [], evaluation: null, suspects: null }));
    events.addEventListener("state", ({ data }) => update({ state: data }));
    events.addEventListener("origin", () => {
      fetchJson("run/origin.json").then((origins) => update({ origins: readOrigins(origins) }), onTrouble);
    });
    events.addEventListener("evaluation", () => {
      fetchJson("run/evaluation.json").then(
        (evaluation) => update({ evaluation: readEvaluation(evaluation) }),
        onTrouble,
      );
    });
    events.addEventListener("suspects", () => {
      fetchJson("run/suspects.json").then((suspects) => update({ suspects: suspects as Suspects }), onTrouble);
    });
    events.onerror = () => update({ state: "lost" });
    return () => events.close();
  }, [folder, onTrouble]);
  return run;
}

async function fetchJson(address: string): Promise<unknown> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: status ${response.status}`);
  return response.json();
}
