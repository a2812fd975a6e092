import { percent } from "../../panels/text.ts";
import { Pixels } from "../pixels.tsx";
import type { ModelFacts } from "../protocol.ts";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

interface WayProps {
  readonly facts: ModelFacts;
  readonly image: TriedImage | null;
  readonly answer: Answer | null;
  /** Stages that are shown as computed so far. */
  readonly shown: number;
}

/** The network as a road: each stage as long as it is dear, an off-ramp at every exit, the part not travelled hatched. */
export function Way({ facts, image, answer, shown }: WayProps) {
  const { exitMacs, fullMacs } = facts.costs;
  const lengths = exitMacs.map((macs, exit) => macs - (exitMacs[exit - 1] ?? 0));
  const isThere = answer !== null && shown === answer.trace.length;
  const travelled = isThere ? answer.exit : exitMacs.length;
  const spared = lengths.slice(travelled);
  const lane = (length: number, exit: number) => (
    <div
      key={exit}
      class={exit < shown ? "lane computed" : "lane"}
      style={{ flexGrow: length, "--colour": `var(--ee-exit-${exit + 1})` }}
    >
      {image !== null && exit === Math.max(0, shown - 1) && (
        <span class="traveller" key={image.id}>
          <Pixels pixels={image.pixels} shape={facts.imageShape} label={`${image.name}, as the network sees it`} />
        </span>
      )}
      <span class={isThere && answer.exit === exit + 1 ? "ramp here" : "ramp"} aria-hidden="true">
        {exit + 1}
      </span>
    </div>
  );
  return (
    <div class="way">
      {lengths.slice(0, travelled).map(lane)}
      {spared.length > 0 && (
        <div class="spared" style={{ flexGrow: spared.reduce((sum, one) => sum + one, 0) }}>
          {spared.map((length, i) => lane(length, travelled + i))}
          <strong>{percent(1 - answer!.costMacs / fullMacs)} saved</strong>
        </div>
      )}
    </div>
  );
}
