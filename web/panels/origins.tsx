/** Where a run was computed: command, commit, machine, versions. */
import type { RunOrigin } from "../../src/model/run-folder.ts";

export type { RunOrigin } from "../../src/model/run-folder.ts";

/** What `origin.json` holds; nothing of what is no list of origins. */
export function readOrigins(value: unknown): RunOrigin[] {
  return Array.isArray(value) ? value.filter(isOrigin) : [];
}

function isOrigin(value: unknown): value is RunOrigin {
  const { command, commit, machine, versions, startedAt } = (value ?? {}) as Partial<RunOrigin>;
  const texts = [command, machine?.cpu, startedAt, commit ?? "", ...Object.values(versions ?? {})];
  const numbers = [machine?.cores, machine?.memoryBytes];
  return texts.every((one) => typeof one === "string") && numbers.every((one) => typeof one === "number");
}

/** More would be the starts of a run that went on again and again: the first and the last ones are told. */
const MOST = 4;

/** One after the other, where a run was begun and where it went on. */
export function Origins({ origins }: { readonly origins: readonly RunOrigin[] }) {
  if (origins.length === 0) return <p class="ee-note">It does not say: it was begun by an older version.</p>;
  const told = origins.length <= MOST ? origins : [origins[0]!, ...origins.slice(1 - MOST)];
  return (
    <>
      {origins.length > MOST && (
        <p class="ee-note">
          Begun once and continued {origins.length - 1} times: the first and the last {MOST - 1} are shown.
        </p>
      )}
      {told.map((origin, i) => (
        <Origin key={i} origin={origin} />
      ))}
    </>
  );
}

function Origin({ origin: { command, commit, machine, versions, startedAt } }: { readonly origin: RunOrigin }) {
  const { cpu, cores, memoryBytes } = machine;
  const facts = [
    ["started", new Date(startedAt).toLocaleString()],
    ["commit", commit ?? "none: it was typed outside of a repository"],
    ["machine", `${cpu}, ${cores} ${cores === 1 ? "core" : "cores"}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`],
    [
      "versions",
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", "),
    ],
  ];
  return (
    <dl class="ee-origin">
      <div>
        <dt>command</dt>
        <dd>
          <code>{command}</code>
        </dd>
      </div>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
