import { AgentPanels, type Evaluation, EvaluationPanels, SuspectGallery, TrainingPanels } from "../../panels/index.ts";
import { MessageList, useMessages } from "../messages.tsx";
import { useSteadily } from "../use-steadily.ts";
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
  return (
    <>
      <p class="lead">
        <code>{folder}</code> <span role="status">{state !== "lost" && isDone ? "finished" : STATES[state]}</span>
      </p>
      {evaluation && (
        <>
          <h3 class="part">Evaluation</h3>
          <EvaluationPanels evaluation={evaluation} />
        </>
      )}
      {suspects && suspects.length > 0 && (
        <>
          <h3 class="part">Suspects</h3>
          <SuspectGallery suspects={suspects} />
        </>
      )}
      {learns && (
        <>
          <h3 class="part">The agent</h3>
          <AgentPanels lines={lines} />
        </>
      )}
      <h3 class="part">The network</h3>
      <TrainingPanels lines={lines} />
    </>
  );
}

/** Those that the run has logged, where there is no `evaluation.json`. */
function figuresIn({ lines }: WatchedRun): Evaluation | null {
  const last = lines.at(-1);
  return last?.kind === "evaluate" ? last : null;
}
