import { useMemo } from "preact/hooks";
import { duration, percent } from "../../panels/text.ts";
import { save, zipped } from "../download.ts";
import { Pixels } from "../pixels.tsx";
import type { ModelSource } from "../protocol.ts";
import { useModel } from "../use-model.ts";
import { Live } from "./live.tsx";
import type { SuspectPicture } from "./teaching.ts";
import { ExitBars } from "./teaching-progress.tsx";
import type { Base } from "./use-bases.ts";
import type { Taught } from "./use-teaching.ts";

interface TaughtModelProps {
  readonly taught: Taught;
  readonly base: Base;
  readonly onTry: (source: ModelSource) => void;
  readonly tell: (problem: unknown) => void;
  readonly onRemove: (suspect: SuspectPicture) => void;
}

const FOLDER = "my-model";

/** What came of it: how good it is, what looks mislabelled, the camera, and the files. */
export function TaughtModel({ taught, base, onTry, tell, onRemove }: TaughtModelProps) {
  const source = useMemo(() => ({ files: taught.files }), [taught]);
  const model = useModel(source, tell);
  const { reached } = taught;
  const decides = taught.decider === "dqn" ? "the agent" : `a threshold on ${taught.decider.split(":")[1]}`;
  return (
    <div class="taught">
      <h3 class="part">It has learned</h3>
      <p class="lead" role="status">
        Done in {duration(taught.seconds)}. On pictures that it had not seen, {percent(reached.accuracy)} are right with{" "}
        {percent(reached.savings)} of the computation saved; {decides} decides where a picture stops ({taught.reason}).
      </p>
      <ExitBars accuracy={taught.accuracy} />
      <p class="note">
        Every picture was judged by exits that had learned from the others alone: few pictures, so a few points more or
        less mean nothing.
      </p>
      <p class="actions">
        <button type="button" class="main" onClick={() => onTry(source)}>
          Try it on pictures
        </button>
        <button type="button" onClick={() => save(`${FOLDER}.zip`, zipped(FOLDER, taught.files), "application/zip")}>
          Download the model folder (zip)
        </button>
        <button type="button" onClick={() => save("model.onnx", taught.onnx, "application/octet-stream")}>
          Download one ONNX file
        </button>
      </p>
      <Suspects taught={taught} base={base} onRemove={onRemove} />
      {model && <Live model={model} tell={tell} />}
      <h3 class="part">Use it elsewhere</h3>
      <p>In Node, with the folder unpacked; in a page, import from "earlyexit/web" and give the folder's address:</p>
      <pre>{CODE}</pre>
      <p class="note">
        model.onnx runs wherever ONNX Runtime does. In: image [1, {base.shape.join(", ")}] with values from 0 to 255,
        and the number lambda. Out: class, probabilities, exit, cost.
      </p>
    </div>
  );
}

const CODE = `import { AdaptiveClassifier } from "earlyexit";
const classifier = await AdaptiveClassifier.load("${FOLDER}");
const { label, confidence, exit } = await classifier.classify("picture.jpg");
console.log(label, confidence, exit);`;

function Suspects({ taught, base, onRemove }: Pick<TaughtModelProps, "taught" | "base" | "onRemove">) {
  const { suspects, choice } = taught;
  if (suspects.length === 0) return null;
  return (
    <>
      <h3 class="part">In the wrong class?</h3>
      <p class="note">The last exit, which had not seen them, takes these for another class. Look at them first.</p>
      <ul class="suspects">
        {suspects.map((one) => (
          <li key={`${one.class}.${one.picture}`}>
            <Pixels
              pixels={choice.pictures[one.class]![one.picture]!}
              shape={base.shape}
              label={`given as ${choice.classes[one.class]}`}
            />
            <span>given as {choice.classes[one.class]}</span>
            <span>
              looks like {choice.classes[one.answer]}, {percent(one.confidence, 0)}
            </span>
            <button type="button" onClick={() => onRemove(one)}>
              Take it away
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
