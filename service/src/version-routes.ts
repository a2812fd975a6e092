/** Versions of a policy: listed, compared, promoted (an older one: rolled back), and learning on by command. */
import { comparePolicies, type ExitTable } from "earlyexit";
import type { FastifyInstance } from "fastify";
import type { Deployment } from "./deployment.ts";
import { RequestMistake } from "./request-mistake.ts";
import { compareQuery } from "./schemas.ts";
import { deploymentOf, type Service } from "./service.ts";
import type { KeptAnswer, Store, StoredVersion, VersionEntry } from "./store/store.ts";
import { checked } from "./validation.ts";

/** Answers that versions are compared on, the newest: enough to tell, and few enough to be done in a moment. */
const MOST_COMPARED = 2000;

type Named = { Params: { name: string } };
type One = { Params: { name: string; id: string } };

export function versionRoutes(app: FastifyInstance, service: Service): void {
  const storeOf = (): Store => {
    if (service.store) return service.store;
    throw new RequestMistake("versions: a service with a store expected; start it with --store", 501);
  };
  app.get<Named>("/v1/models/:name/versions", async ({ params }) => {
    const { name, version, model } = deploymentOf(service, params.name);
    const entries = await storeOf().versions(name, model.network.sha256);
    return { versions: entries.map((entry) => describeVersion(entry, version)) };
  });
  app.post<One>("/v1/models/:name/versions/:id/promote", async ({ params }) => {
    const store = storeOf();
    const deployment = deploymentOf(service, params.name);
    const found = await keptVersion(store, deployment, params.id);
    await store.promote(deployment.name, found.id, Date.now());
    await deployment.reload();
    return { version: deployment.version };
  });
  app.get<One>("/v1/models/:name/versions/:id/compare", async ({ params, query }) => {
    const store = storeOf();
    const deployment = deploymentOf(service, params.name);
    const wanted = checked(compareQuery, query, "query");
    return compareVersions(store, deployment, [wanted.with ?? deployment.version, params.id], wanted.lambda);
  });
  app.post<Named>("/v1/models/:name/learn", async ({ params }) => {
    storeOf();
    const deployment = deploymentOf(service, params.name);
    const entry = await service.learners.get(deployment.name)!.learn();
    return describeVersion(entry, deployment.version);
  });
}

/** @throws {RequestMistake} unless it can answer with the network that is served */
async function keptVersion(store: Store, { name, model }: Deployment, id: string): Promise<StoredVersion> {
  const found = await store.version(name, id);
  if (!found) throw new RequestMistake(`version: one of ${name}'s expected, found ${id}`, 404);
  if (found.files.size === 0)
    throw new RequestMistake(`version: one that was kept expected, found ${id}, which was not better`, 409);
  if (found.network !== model.network.sha256)
    throw new RequestMistake(`version: one of the network that is served expected, found ${id}`, 409);
  return found;
}

/**
 * What two versions would have said to the answers that were kept last, and which is better by the labels that came after both: every
 * exit's logits are kept, so that a version answers silently beside the live one without a computation on anybody's way.
 */
async function compareVersions(store: Store, deployment: Deployment, ids: readonly [string, string], lambda?: number) {
  const { name, model } = deployment;
  const versions = await Promise.all(ids.map((id) => keptVersion(store, deployment, id)));
  const answers = await store.keptAnswers(name, model.network.sha256, MOST_COMPARED);
  if (answers.length === 0)
    throw new RequestMistake("compare: answers kept with what every exit said expected, found none yet", 409);
  const [first, second] = await Promise.all(ids.map((id) => deployment.policyOf(id)));
  const seen = Math.max(...versions.map(({ labelsUpTo }) => labelsUpTo));
  const price = lambda ?? model.policy!.lambda;
  const compared = await comparePolicies({
    policies: [first!, second!],
    table: tableOf(answers, model.network),
    isLabelled: answers.map(({ label }) => label !== null && label.seq > seen),
    lambda: price,
  });
  return { versions: ids, lambda: price, ...compared };
}

function tableOf(answers: readonly KeptAnswer[], { stages, classes }: Deployment["model"]["network"]): ExitTable {
  const logits = new Float32Array(answers.length * stages.length * classes.length);
  for (const [i, one] of answers.entries()) logits.set(one.logits, i * stages.length * classes.length);
  const labels = Uint16Array.from(answers, ({ label }) => label?.classIndex ?? 0);
  return { logits, labels, count: answers.length, exits: stages.length, classes: classes.length };
}

/** `better`: judged on labels that it had not seen; null for what a folder held. */
export function describeVersion({ judgement, labelsUpTo: _, ...entry }: VersionEntry, live: string) {
  return { ...entry, live: entry.id === live, judgement };
}
