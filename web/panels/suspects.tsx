import type { Suspects } from "./data.ts";
import { Panels } from "./guard.tsx";
import { count, percent } from "./text.ts";

/** Pictures whose labels may be wrong, and what the network takes them for. */
export function SuspectGallery({ suspects }: { readonly suspects: Suspects }) {
  return (
    <Panels>
      <div class="ee-suspects ee-wide">
        <p class="ee-note">
          {count(suspects.length)} pictures whose label the last exit most surely denies. Where it is right, the label
          is wrong: look at these first. None of them was trained on. As a list: suspects.csv.
        </p>
        <ul>
          {suspects.map(({ png, name, label, answer, confidence }, i) => (
            <li key={i}>
              <img src={png} alt={`labelled ${label}, answered ${answer}`} />
              <span>labelled {label}</span>
              <span>
                looks like {answer}, {percent(confidence, 0)}
              </span>
              <span class="ee-name">{name}</span>
            </li>
          ))}
        </ul>
      </div>
    </Panels>
  );
}
