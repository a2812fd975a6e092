import { cost, number, percent } from "../../panels/text.ts";
import type { ModelFacts } from "../protocol.ts";

interface DialProps {
  readonly facts: ModelFacts;
  readonly lambda: number;
  readonly onTurn: (lambda: number) => void;
}

/** Lambda, in the steps for which it is known what they reach. */
export function Dial({ facts, lambda, onTurn }: DialProps) {
  const { calibration, costUnit } = facts;
  const at = nearest(calibration, lambda);
  const recommended = nearest(calibration, facts.lambda);
  const point = calibration[at];
  if (!point) return null;
  const reaches = `${percent(point.accuracy)} right at ${cost(point.meanMacs, costUnit)}, ${percent(point.savings)} saved`;
  return (
    <div class="dial">
      <label for="dial">How much may an answer cost?</label>
      <input
        id="dial"
        type="range"
        min={0}
        max={calibration.length - 1}
        step={1}
        value={at}
        aria-valuetext={`lambda ${number(point.lambda)}: ${reaches}`}
        onInput={(event) => onTurn(calibration[Number(event.currentTarget.value)]!.lambda)}
      />
      <div class="ends" aria-hidden="true">
        <span>as accurate as possible</span>
        <span>as cheap as possible</span>
      </div>
      <p>
        <strong>lambda {number(point.lambda)}</strong>: going through the whole network costs as much as{" "}
        {number(point.lambda)} right answers are worth.
      </p>
      <p>On validation images: {reaches}.</p>
      <button type="button" disabled={at === recommended} onClick={() => onTurn(calibration[recommended]!.lambda)}>
        Recommended: {number(calibration[recommended]!.lambda)}
      </button>
    </div>
  );
}

/** Index of the point whose lambda is nearest, in ratio. */
function nearest(points: ModelFacts["calibration"], lambda: number): number {
  const distance = (i: number): number => Math.abs(Math.log(points[i]!.lambda / lambda));
  return points.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), 0);
}
