import type { ExamplePicture, ExitExamples } from "../../src/report/report-data.ts";
import { percent } from "../panels/text.ts";

/** What left at each exit: pictures from the surest answer to the least sure. */
export function Examples({ exits }: { readonly exits: readonly ExitExamples[] }) {
  return (
    <div class="report-examples">
      {exits.map(({ exit, pictures }) => (
        <section key={exit} aria-label={`Exit ${exit}`}>
          <h3>Exit {exit}</h3>
          {pictures.length === 0 && <p class="ee-note">No picture left here.</p>}
          <ul>
            {pictures.map((picture, i) => (
              <Picture key={i} picture={picture} />
            ))}
          </ul>
        </section>
      ))}
      <p class="ee-note">
        Of each exit, pictures at equal distances from the surest answer to the least sure. A cross marks a wrong
        answer.
      </p>
    </div>
  );
}

function Picture({ picture: { png, label, answer, confidence } }: { readonly picture: ExamplePicture }) {
  const isRight = label === answer;
  const said = `${answer}, ${percent(confidence, 0)}`;
  return (
    <li class={isRight ? "" : "report-wrong"}>
      <img src={png} alt={isRight ? `${label}, answered rightly` : `${label}, answered ${answer}`} />
      <span>{isRight ? said : `✗ ${said}`}</span>
      {!isRight && <span>is {label}</span>}
    </li>
  );
}
