import { CalibrationFigure, ConfidenceFigure } from "./calibration.tsx";
import { ClassHeatMap } from "./classes.tsx";
import { ConfusionMatrix } from "./confusions.tsx";
import { AccuracyCostCurve } from "./curve.tsx";
import type { Evaluation } from "./data.ts";
import { ExitSharesFigure, ExitTable } from "./exit-figures.tsx";
import { Facts } from "./facts.tsx";
import { Panels } from "./guard.tsx";
import { Table } from "./table.tsx";
import {
  cost,
  costScale,
  count,
  decimal,
  difference,
  isFixedExit,
  number,
  percent,
  percentInterval,
  policyName,
  verdict,
} from "./text.ts";

interface EvaluationPanelsProps {
  readonly evaluation: Evaluation;
}

/** All figures of a trained model: exits, classes, confidence and calibration, accuracy against cost beside the yardsticks. */
export function EvaluationPanels({ evaluation }: EvaluationPanelsProps) {
  return (
    <Panels>
      <Everything evaluation={evaluation} />
    </Panels>
  );
}

function Everything({ evaluation }: EvaluationPanelsProps) {
  const { curves, calibration, confusions, policy, costUnit = "MACs", costMacs } = evaluation;
  return (
    <>
      <Summary evaluation={evaluation} />
      {curves && (
        <AccuracyCostCurve curves={curves} costUnit={costUnit} fullCost={costMacs.full} marker={policy.lambda} wide />
      )}
      <Yardsticks evaluation={evaluation} />
      <ExitTable evaluation={evaluation} />
      <ExitSharesFigure evaluation={evaluation} />
      <ClassHeatMap evaluation={evaluation} />
      {confusions && <ConfusionMatrix confusions={confusions} evaluation={evaluation} />}
      {calibration && <ConfidenceFigure calibration={calibration} evaluation={evaluation} />}
      {calibration && <CalibrationFigure calibration={calibration} evaluation={evaluation} />}
    </>
  );
}

function Summary({ evaluation }: EvaluationPanelsProps) {
  const { accuracy, costMacs, savings, effectiveness, depthSavings, depthEffectiveness, intervals } = evaluation;
  const { policy, samples, dataset, costUnit = "MACs", exits } = evaluation;
  const [low, high] = intervals.effectiveness;
  return (
    <div class="ee-wide">
      <p class="ee-verdict">{verdict(evaluation)}</p>
      <Facts
        facts={[
          ["accuracy", percent(accuracy, 2), percentInterval(intervals.accuracy, 1)],
          ["mean cost", cost(costMacs.mean, costUnit), `of ${cost(costMacs.full, costUnit)} in full`],
          ["savings", percent(savings), percentInterval(intervals.savings, 1)],
          ["effectiveness", decimal(effectiveness, 2), `${decimal(low, 2)} to ${decimal(high, 2)}`],
        ]}
      />
      <p class="ee-note">
        Decided by {policyName(policy.name)} at lambda {number(policy.lambda)}, on {count(samples)} images of{" "}
        {dataset.name}, {dataset.split} split. Small: 95% intervals. Savings are 1 - mean cost / full cost,
        effectiveness is accuracy in percent x savings. By the published definition, in which exit 1 of {exits.length}{" "}
        saves 100%: depth savings {percent(depthSavings)}, depth effectiveness {decimal(depthEffectiveness, 2)}.
      </p>
    </div>
  );
}

/** The policy and what it is compared with, the best return first. */
function Yardsticks({ evaluation }: EvaluationPanelsProps) {
  const { yardsticks, policy, costUnit = "MACs", costMacs } = evaluation;
  const sorted = [...yardsticks].sort((a, b) => b.return - a.return);
  const bestFixed = sorted.find(({ name }) => isFixedExit(name))?.name;
  const scale = costScale(costUnit, [costMacs.full]);
  const title = `The policy beside its yardsticks, at lambda ${number(policy.lambda)}`;
  const mark = (name: string): string =>
    name === policy.name ? " (decided here)" : name === bestFixed ? " (the best fixed exit)" : "";
  return (
    <section class="ee-figure ee-wide">
      <h3>{title}</h3>
      <Table
        caption={title}
        columns={["policy", "accuracy", "savings", `cost (${scale.heading})`, "return", "minus agent [95%]"]}
        rows={sorted.map((one) => [
          `${policyName(one.name)}${mark(one.name)}`,
          percent(one.accuracy, 2),
          percent(one.savings),
          scale.text(one.costMacs),
          decimal(one.return, 4),
          difference(one.minusAgent?.return, 4),
        ])}
      />
      <p class="ee-note">
        Return is accuracy - lambda x mean cost / cost of the last exit: what the agent tries to raise. "Minus agent"
        compares returns on the same images. Optimal stopping is an estimate of the best that a policy could do with
        what the agent sees; the oracle knows the answers.
      </p>
    </section>
  );
}
