import {
  AgentPanels,
  type Evaluation,
  EvaluationPanels,
  Origins,
  SuspectGallery,
  TrainingPanels,
} from "../../panels/index.ts";
import { MessageList, useMessages } from "../messages.tsx";
import { Contents, Part } from "../part.tsx";
import { useSteadily } from "../use-steadily.ts";
import { Runs } from "./runs.tsx";
import { useRun, type WatchedRun } from "./use-run.ts";

/** A run folder, live or finished. */
export function WatchPage() {
  const messages = useMessages();
  const run = useSteadily(useRun(messages.tell));
  return (
    <section aria-labelledby="watch-title">
      <h2 id="watch-title">Watch it learn</h2>
      <MessageList {...messages} />
      {run.folder === null ? <HowTo /> : <Run run={run} />}
      <Runs tell={messages.tell} />
    </section>
  );
}

function HowTo() {
  return (
    <>
      <p class="lead">No run folder was given. Start a run, then the page with its folder:</p>
      <pre>
        npx earlyexit run --out runs/mine{"\n"}
        npx earlyexit ui --run runs/mine
      </pre>
      <p>Or train a small network right here: Train in the browser.</p>
    </>
  );
}

const STATES: Readonly<Record<WatchedRun["state"], string>> = {
  connecting: "connecting...",
  lost: "the connection to the server is lost; trying again. What is shown may be old.",
  waiting: "waiting for the run to begin",
  live: "live",
  still: "nothing has been added for a while",
};

function Run({ run }: { readonly run: WatchedRun }) {
  const { folder, lines, state, suspects } = run;
  const evaluation = run.evaluation ?? figuresIn(run);
  const isDone = lines.at(-1)?.kind === "evaluate";
  const learns = lines.some(({ kind }) => kind === "learn");
  const parts = [
    evaluation && { id: "evaluation", title: "Evaluation", children: <EvaluationPanels evaluation={evaluation} /> },
    suspects &&
      suspects.length > 0 && { id: "suspects", title: "Suspects", children: <SuspectGallery suspects={suspects} /> },
    learns && { id: "agent", title: "The agent", children: <AgentPanels lines={lines} /> },
    { id: "network", title: "The network", children: <TrainingPanels lines={lines} /> },
    run.origins.length > 0 && { id: "origin", title: "How it was made", children: <Origins origins={run.origins} /> },
  ].filter((part) => part !== null && part !== false);
  return (
    <>
      <p class="lead">
        <strong title={folder ?? ""}>{folder && lastName(folder)}</strong>{" "}
        <span role="status">{state !== "lost" && isDone ? "finished" : STATES[state]}</span>
      </p>
      <Contents parts={parts} />
      {parts.map((part, i) => (
        <Part key={part.id} {...part} {...(i === 0 ? { isOpen: true } : {})} />
      ))}
    </>
  );
}

/** Of a path on any system: where it lies is a detail. */
function lastName(path: string): string {
  return path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;
}

/** Those that the run has logged, where there is no `evaluation.json`. */
function figuresIn({ lines }: WatchedRun): Evaluation | null {
  const last = lines.at(-1);
  return last?.kind === "evaluate" ? last : null;
}
