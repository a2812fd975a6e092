/** Versions of a policy: listed, compared, promoted (an older one: rolled back), and learning on by command. */
import type { FastifyInstance } from "fastify";
import { RequestMistake } from "./request-mistake.ts";
import { deploymentOf, type Service } from "./service.ts";
import type { Store, VersionEntry } from "./store/store.ts";

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
    const found = await store.version(deployment.name, params.id);
    if (!found) throw new RequestMistake(`version: one of ${deployment.name}'s expected, found ${params.id}`, 404);
    if (found.files.size === 0)
      throw new RequestMistake(`version: one that was kept expected, found ${params.id}, which was not better`, 409);
    if (found.network !== deployment.model.network.sha256)
      throw new RequestMistake(`version: one of the network that is served expected, found ${params.id}`, 409);
    await store.promote(deployment.name, found.id, Date.now());
    await deployment.reload();
    return { version: deployment.version };
  });
  app.post<Named>("/v1/models/:name/learn", async ({ params }) => {
    storeOf();
    const deployment = deploymentOf(service, params.name);
    const entry = await service.learners.get(deployment.name)!.learn();
    return describeVersion(entry, deployment.version);
  });
}

/** `better`: judged on labels that it had not seen; null for what a folder held. */
export function describeVersion({ judgement, labelsUpTo: _, ...entry }: VersionEntry, live: string) {
  return { ...entry, live: entry.id === live, judgement };
}
