import type { ExitTrace } from "earlyexit/web";
import { percent } from "../../panels/text.ts";
import type { ModelFacts } from "../protocol.ts";
import { decisionText } from "./decision.ts";

interface ExitCardProps {
  /** 1..E */
  readonly exit: number;
  readonly costText: string;
  readonly facts: ModelFacts;
  /** null where nothing was computed */
  readonly trace: ExitTrace | null;
  /** "spared" with a trace: computed afterwards, to compare */
  readonly state: "taken" | "computed" | "spared" | "ahead";
  /** It would have said something else than the answer. */
  readonly differs: boolean;
}

const TOP = 3;

/** What is known at one exit: the likeliest classes, what was decided, and why. */
export function ExitCard({ exit, costText, facts, trace, state, differs }: ExitCardProps) {
  const className = differs ? "exit-card differs" : "exit-card";
  return (
    <article class={className} aria-labelledby={`exit-${exit}`} style={{ "--colour": `var(--ee-exit-${exit})` }}>
      <h3 id={`exit-${exit}`}>
        Exit {exit} <small>{costText}</small>
      </h3>
      {state === "spared" && (
        <p class="idle">
          {trace === null ? "not computed" : differs ? "would have said something else:" : "would have said the same:"}
        </p>
      )}
      {state === "ahead" && <p class="idle">-</p>}
      {trace && <Guesses trace={trace} classes={facts.classes} />}
      {trace && state !== "spared" && <Decision trace={trace} facts={facts} />}
    </article>
  );
}

function Guesses({ trace, classes }: { trace: ExitTrace; classes: readonly string[] }) {
  return (
    <ul class="guesses">
      {topClasses(trace.probabilities).map(({ index, share }) => (
        <li key={index}>
          <span class="name">{classes[index]}</span>
          <span class="share">{percent(share)}</span>
          <span class="bar" style={{ width: percent(share) }} />
        </li>
      ))}
    </ul>
  );
}

function Decision({ trace, facts }: { trace: ExitTrace; facts: ModelFacts }) {
  const { qExit, qContinue } = trace;
  const isAgent = facts.decider === "dqn";
  return (
    <>
      <p class="decision">{decisionText(trace, facts)}</p>
      {isAgent && qExit !== null && qContinue !== null && (
        <p class="values">
          expected of leaving <b>{qExit.toFixed(3)}</b>, of going on <b>{qContinue.toFixed(3)}</b>
        </p>
      )}
    </>
  );
}

function topClasses(probabilities: readonly number[]): { index: number; share: number }[] {
  return Array.from(probabilities, (share, index) => ({ index, share }))
    .sort((a, b) => b.share - a.share)
    .slice(0, TOP);
}
