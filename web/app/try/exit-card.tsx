import type { ExitTrace } from "earlyexit/web";
import { percent } from "../../panels/text.ts";

interface ExitCardProps {
  /** 1..E */
  readonly exit: number;
  readonly costText: string;
  readonly classes: readonly string[];
  /** null where nothing was computed */
  readonly trace: ExitTrace | null;
  readonly state: "taken" | "computed" | "spared" | "ahead";
}

const TOP = 3;

/** What is known at one exit: the likeliest classes, what the agent expects, what it decides. */
export function ExitCard({ exit, costText, classes, trace, state }: ExitCardProps) {
  return (
    <article class="exit-card" aria-labelledby={`exit-${exit}`} style={{ "--colour": `var(--ee-exit-${exit})` }}>
      <h3 id={`exit-${exit}`}>
        Exit {exit} <small>{costText}</small>
      </h3>
      {trace ? (
        <Computed trace={trace} classes={classes} />
      ) : (
        <p class="idle">{state === "spared" ? "not computed" : "-"}</p>
      )}
    </article>
  );
}

function Computed({ trace, classes }: { trace: ExitTrace; classes: readonly string[] }) {
  const { qExit, qContinue } = trace;
  return (
    <>
      <ul class="guesses">
        {topClasses(trace.probabilities).map(({ index, share }) => (
          <li key={index}>
            <span class="name">{classes[index]}</span>
            <span class="share">{percent(share)}</span>
            <span class="bar" style={{ width: percent(share) }} />
          </li>
        ))}
      </ul>
      {qExit !== null && qContinue !== null && (
        <dl class="values">
          <div class={qExit >= qContinue ? "wins" : undefined}>
            <dt>Q(leave)</dt>
            <dd>{qExit.toFixed(3)}</dd>
          </div>
          <div class={qExit < qContinue ? "wins" : undefined}>
            <dt>Q(go on)</dt>
            <dd>{qContinue.toFixed(3)}</dd>
          </div>
        </dl>
      )}
      <p class="decision">{decisionOf(trace)}</p>
    </>
  );
}

function decisionOf({ exited, qExit }: ExitTrace): string {
  if (!exited) return "The agent goes on.";
  return qExit === null ? "The last exit: no choice left." : "The agent leaves here.";
}

function topClasses(probabilities: readonly number[]): { index: number; share: number }[] {
  return Array.from(probabilities, (share, index) => ({ index, share }))
    .sort((a, b) => b.share - a.share)
    .slice(0, TOP);
}
