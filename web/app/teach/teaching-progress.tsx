import { percent } from "../../panels/text.ts";
import type { TeachingState } from "./use-teaching.ts";

/** How far it is, and how good the exits are by now. */
export function TeachingProgress({ state: { text, done, accuracy } }: { readonly state: TeachingState }) {
  return (
    <div class="teaching-progress">
      <progress max={1} value={done} aria-label="how far it is" />
      <p role="status">{text}</p>
      {accuracy && <ExitBars accuracy={accuracy} />}
    </div>
  );
}

/** Accuracy of each exit by itself. */
export function ExitBars({ accuracy }: { readonly accuracy: readonly number[] }) {
  return (
    <ul class="exit-bars" aria-label="right on pictures that the exit has not seen">
      {accuracy.map((one, exit) => (
        <li key={exit} style={{ "--colour": `var(--ee-exit-${exit + 1})` }}>
          <span>exit {exit + 1}</span>
          <span class="track">
            <span style={{ width: percent(one) }} />
          </span>
          <span>{percent(one)}</span>
        </li>
      ))}
    </ul>
  );
}
