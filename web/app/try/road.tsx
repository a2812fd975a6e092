import type { ExitTrace } from "earlyexit/web";
import { cost } from "../../panels/text.ts";
import type { ModelFacts } from "../protocol.ts";
import { ExitCard } from "./exit-card.tsx";
import type { Answer } from "./use-answers.ts";

interface RoadProps {
  readonly facts: ModelFacts;
  readonly answer: Answer | null;
  /** Stages that are shown as computed so far. */
  readonly shown: number;
  /** [E] what every exit says, where that was asked for. */
  readonly rest: readonly ExitTrace[] | null;
}

/** What every exit says, as far as the image went; and what those behind would have said, where that was asked for. */
export function Road({ facts, answer, shown, rest }: RoadProps) {
  const exits = facts.costs.exitMacs;
  const isThere = answer !== null && shown === answer.trace.length;
  return (
    <ol class="road" style={{ "--exits": exits.length }} aria-label="The exits of the network">
      {exits.map((macs, exit) => {
        const trace = exit < shown ? (answer?.trace[exit] ?? null) : null;
        const would = isThere && !trace ? (rest?.[exit] ?? null) : null;
        const isTaken = isThere && answer.exit === exit + 1;
        const state = isTaken ? "taken" : trace ? "computed" : isThere ? "spared" : "ahead";
        return (
          <li key={exit} class={state}>
            <ExitCard
              exit={exit + 1}
              costText={cost(macs, "MACs")}
              facts={facts}
              trace={trace ?? would}
              state={state}
              differs={would !== null && would.classIndex !== answer!.classIndex}
            />
          </li>
        );
      })}
    </ol>
  );
}
