import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { AccuracyCostCurve, calibrationCurve } from "../../panels/index.ts";
import type { WorkerClient } from "../client.ts";
import { MessageList, type Messages, useMessages } from "../messages.tsx";
import type { ModelSource } from "../protocol.ts";
import { type LoadedModel, useModel } from "../use-model.ts";
import { Dial } from "./dial.tsx";
import { Feedback, useFeedback } from "./feedback.tsx";
import type { TriedImage } from "./images.ts";
import { ModelChoice, type Offer, TRAINED } from "./model-choice.tsx";
import { Picker } from "./picker.tsx";
import { PreciseChoice } from "./precise-choice.tsx";
import { RestLine } from "./rest-line.tsx";
import { ResultLine } from "./result-line.tsx";
import { Road } from "./road.tsx";
import { Strip } from "./strip.tsx";
import { useAnswers } from "./use-answers.ts";
import { useImages } from "./use-images.ts";
import { useJourney } from "./use-journey.ts";
import { useOffers } from "./use-offers.ts";
import { useRest } from "./use-rest.ts";
import { useNamed, useSure } from "./use-sure.ts";
import { useTimes } from "./use-times.ts";
import { Views } from "./views.tsx";
import { Way } from "./way.tsx";

interface TryPageProps {
  /** A model that was trained in the page. */
  readonly trained: ModelSource | null;
  /** A worker that was begun with the page, for the first model. */
  readonly begun: WorkerClient | null;
}

export function TryPage({ trained, begun }: TryPageProps) {
  const messages = useMessages();
  const { tell } = messages;
  const offers = useOffers(tell);
  const [choice, setChoice] = useState<Offer["id"] | null>(null);
  useEffect(() => {
    if (trained) setChoice(TRAINED.id);
  }, [trained]);
  const chosen = choice ?? offers?.[0]?.id ?? null;
  const source = useMemo(() => sourceOf(chosen, trained), [chosen, trained]);
  const model = useModel(source, tell, begun);
  const kept = useRef<File[]>([]);
  const all = [...(trained ? [TRAINED] : []), ...(offers ?? [])];
  return (
    <section aria-labelledby="try-title">
      <h2 id="try-title">Where does a picture stop?</h2>
      <p class="lead">
        The network has several exits. At each one an agent decides: leave with the answer so far, or pay for the next
        stage?
      </p>
      <MessageList {...messages} />
      <ModelChoice
        offers={all}
        chosen={chosen}
        onChoose={(id) => {
          messages.clear();
          setChoice(id);
        }}
        model={model}
      />
      {model && <Trial key={chosen} model={model} kept={kept.current} messages={messages} />}
    </section>
  );
}

function sourceOf(chosen: string | null, trained: ModelSource | null): ModelSource | null {
  if (chosen === null) return null;
  if (chosen === TRAINED.id) return trained;
  return { address: new URL(`models/${chosen}`, document.baseURI).href };
}

interface TrialProps {
  readonly model: LoadedModel;
  /** The user's own files. */
  readonly kept: File[];
  readonly messages: Messages;
}

/** One model with the images that are tried on it. */
function Trial({ model, kept, messages }: TrialProps) {
  const { tell } = messages;
  const { client, facts } = model;
  const tried = useImages(model, kept, messages);
  const { images, selected } = tried;
  const [lambda, setLambda] = useState(facts.lambda);
  const road = useRef<HTMLDivElement>(null);
  const [precise, setPrecise] = useState<number | null>(null);
  const sure = useSure(client, precise, lambda, tell);
  const answers = useNamed(useAnswers({ client, images, selected, lambda }, tell), sure);
  const select = (id: number): void => {
    tried.select(id);
    road.current?.scrollIntoView({ block: "nearest" });
  };
  const answer = selected ? (answers.get(selected.id) ?? null) : null;
  const shown = useJourney(selected, answer);
  const arrived = answer && shown === answer.trace.length ? answer : null;
  const { rest, isComputing, explore } = useRest(client, lambda, tell);
  const restOfSelected = (selected && rest.get(selected.id)) ?? null;
  const alone = useMemo(() => (selected ? [selected] : []), [selected]);
  const isCurrent = ({ id }: TriedImage): boolean => answers.get(id)?.lambda === lambda;
  const isReady = images.every(isCurrent);
  const times = useTimes(client, alone, lambda, alone.every(isCurrent), tell);
  const timesOfAll = useTimes(client, images, lambda, isReady && times !== null && images.length > 1, tell);
  const feedback = useFeedback(model, images, tell);
  const curves = useMemo(() => [calibrationCurve(facts.calibration)], [facts]);
  return (
    <>
      <Picker onFiles={tried.addFiles} onDraw={tried.draw} onClear={images.length > 0 ? tried.clear : null} />
      <div ref={road}>
        <Way facts={facts} image={selected} answer={answer} shown={shown} />
        <ResultLine facts={facts} image={selected} answer={arrived} times={times} isPrecise={precise !== null} />
        {selected && arrived && (
          <RestLine
            facts={facts}
            image={selected}
            answer={arrived}
            rest={restOfSelected}
            isComputing={isComputing}
            onExplore={() => explore([selected])}
          />
        )}
        {selected && arrived && <Feedback facts={facts} image={selected} answer={arrived} feedback={feedback} />}
        <Road facts={facts} answer={answer} shown={shown} rest={restOfSelected} />
      </div>
      {selected && arrived && (
        <Views key={selected.id} model={model} image={selected} answer={arrived} lambda={lambda} tell={tell} />
      )}
      <div class="side-by-side">
        <div>
          <Dial facts={facts} lambda={lambda} onTurn={setLambda} />
          <PreciseChoice precise={precise} onChoose={setPrecise} sure={sure} />
          <AccuracyCostCurve
            curves={curves}
            costUnit={facts.costUnit}
            fullCost={facts.fullCost}
            marker={lambda}
            title="What the dial trades, on validation images"
          />
        </div>
        <Strip
          facts={facts}
          images={images}
          answers={answers}
          rest={rest}
          times={timesOfAll}
          isComputing={isComputing}
          selectedId={selected?.id ?? null}
          onSelect={select}
          onExplore={() => explore(images)}
        />
      </div>
    </>
  );
}
