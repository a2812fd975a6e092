import { useEffect, useRef, useState } from "preact/hooks";
import { AgentPanels, EvaluationPanels, type RunLine, TrainingPanels } from "../../panels/index.ts";
import { duration } from "../../panels/text.ts";
import { Closed, WorkerClient } from "../client.ts";
import { MessageList, useMessages } from "../messages.tsx";
import { Part } from "../part.tsx";
import type { ModelSource } from "../protocol.ts";
import { useSteadily } from "../use-steadily.ts";
import { Choice } from "./choice.tsx";
import { type AnsweredDrawings, DrawingStrip } from "./drawing-strip.tsx";
import type { TrainingChoice, TrainingNews, TrainingResult } from "./training.ts";

interface TrainPageProps {
  readonly onTry: (source: ModelSource) => void;
}

/** A small network and its agent, trained in the page on drawn images. */
export function TrainPage({ onTry }: TrainPageProps) {
  const messages = useMessages();
  const training = useTraining(messages.tell);
  const lines = useSteadily(training.lines);
  const { result, isRunning, status } = training;
  return (
    <section aria-labelledby="train-title">
      <h2 id="train-title">Train in the browser</h2>
      <p class="lead">
        A network with four exits and its agent learn ten kinds of drawings, in this page: the same compiled training
        step as in Node, and no server. As it stands, it takes a few minutes; with fewer pictures it is done sooner and
        knows less.
      </p>
      <MessageList {...messages} />
      <Choice
        isRunning={isRunning}
        onStart={(choice) => {
          messages.clear();
          training.start(choice);
        }}
        onStop={training.stop}
      />
      <p class="training-status" role="status">
        {status}
      </p>
      {result && (
        <button type="button" class="main" onClick={() => onTry({ files: result.files })}>
          Try this network
        </button>
      )}
      {training.drawings && <DrawingStrip drawings={training.drawings} />}
      {lines.length > 0 && <Progress lines={lines} result={result} />}
    </section>
  );
}

function Progress({ lines, result }: { readonly lines: readonly RunLine[]; readonly result: TrainingResult | null }) {
  return (
    <>
      {result && (
        <Part id="trained-evaluation" title="On pictures that it has never seen" isOpen>
          <EvaluationPanels evaluation={result.evaluation} />
        </Part>
      )}
      {lines.some(({ kind }) => kind === "learn") && (
        <Part id="trained-agent" title="The agent">
          <AgentPanels lines={lines} />
        </Part>
      )}
      <Part id="trained-network" title="The network" isOpen>
        <TrainingPanels lines={lines} />
      </Part>
    </>
  );
}

/** One training at a time, in a worker of its own; stopping ends the worker. */
function useTraining(onTrouble: (problem: unknown) => void) {
  const [lines, setLines] = useState<readonly RunLine[]>([]);
  const [status, setStatus] = useState("");
  const [result, setResult] = useState<TrainingResult | null>(null);
  const [drawings, setDrawings] = useState<AnsweredDrawings | null>(null);
  const [isRunning, setIsRunning] = useState(false);
  const client = useRef<WorkerClient | null>(null);
  const stop = (): void => {
    client.current?.close();
    client.current = null;
  };
  useEffect(() => stop, []);
  const hear = (news: TrainingNews): void => {
    if (news.kind === "phase") setStatus(`${news.text}...`);
    else if (news.kind === "line") setLines((before) => [...before, news.line]);
    else if (news.kind === "drawings") setDrawings({ ...news.drawings, answers: null });
    else setDrawings((before) => before && { ...before, answers: news.answers });
  };
  const start = async (choice: TrainingChoice): Promise<void> => {
    stop();
    const own = new WorkerClient("trains or reads");
    client.current = own;
    setLines([]);
    setDrawings(null);
    setResult(null);
    setIsRunning(true);
    setStatus("starting...");
    const started = performance.now();
    try {
      setResult(await own.train(choice, hear));
      setStatus(`done in ${duration((performance.now() - started) / 1000)}`);
    } catch (problem) {
      setStatus("stopped");
      if (!(problem instanceof Closed)) onTrouble(problem);
    } finally {
      own.close(); // its memory is free again
      setIsRunning(false);
    }
  };
  return { lines, drawings, status, result, isRunning, start, stop };
}
