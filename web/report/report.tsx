import type { ComponentChildren } from "preact";
import type { ReportData } from "../../src/report/report-data.ts";
import {
  AgentPanels,
  EvaluationPanels,
  ProbesPanel,
  type RunLine,
  readLines,
  SuspectGallery,
  TrainingPanels,
} from "../panels/index.ts";
import { Examples } from "./examples.tsx";

/** From the results back to how they came about. */
export function Report({ data }: { readonly data: ReportData }) {
  const { name, facts, probes = [], evaluation, examples, suspects, missing } = data;
  const lines = readLines(data.metrics);
  const has = (kind: RunLine["kind"]): boolean => lines.some((line) => line.kind === kind);
  return (
    <main class="report">
      <header>
        <h1>{name}</h1>
        <dl class="report-facts">
          {facts.map(([what, value]) => (
            <div key={what}>
              <dt>{what}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </header>
      {missing.length > 0 && (
        <section class="report-missing" aria-label="What is missing">
          {missing.map((one) => (
            <p key={one}>{one}</p>
          ))}
        </section>
      )}
      {evaluation && (
        <Part title="Evaluation">
          <EvaluationPanels evaluation={evaluation} />
        </Part>
      )}
      {examples && (
        <Part title="Examples, easy to hard">
          <Examples exits={examples} />
        </Part>
      )}
      {suspects && suspects.length > 0 && (
        <Part title="Suspects">
          <SuspectGallery suspects={suspects} />
        </Part>
      )}
      {probes.length > 0 && (
        <Part title="Where exits were put">
          <ProbesPanel probes={probes} />
        </Part>
      )}
      {has("learn") && (
        <Part title="The agent's learning">
          <AgentPanels lines={lines} />
        </Part>
      )}
      {has("train") && (
        <Part title="The network's training">
          <TrainingPanels lines={lines} />
        </Part>
      )}
    </main>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="report-part" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}
