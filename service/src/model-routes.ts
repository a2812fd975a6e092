/** GET /v1/models: what is served; POST /v1/models/:name/reload: the folder again, if it has changed. */
import { pictureOf } from "earlyexit";
import type { FastifyInstance } from "fastify";
import type { z } from "zod";
import type { Deployment } from "./deployment.ts";
import type { modelSchema } from "./schemas.ts";
import { deploymentOf, type Service } from "./service.ts";

export function modelRoutes(app: FastifyInstance, service: Service): void {
  app.get("/v1/models", async () => ({ models: [...service.deployments.values()].map(describeModel) }));
  app.get<{ Params: { name: string } }>("/v1/models/:name", async ({ params }) =>
    describeModel(deploymentOf(service, params.name)),
  );
  app.post<{ Params: { name: string } }>("/v1/models/:name/reload", async ({ params }) => {
    const deployment = deploymentOf(service, params.name);
    return { reloaded: await deployment.reload(), version: deployment.version };
  });
}

export function describeModel({ name, version, model, queue, drift }: Deployment): z.output<typeof modelSchema> {
  const { network } = model;
  const policy = model.policy!;
  return {
    name,
    version,
    classes: [...network.classes],
    input: { shape: [...pictureOf(network).shape] },
    exits: policy.costs.exitMacs.map((costMacs, k) => ({ exit: k + 1, costMacs })),
    fullMacs: network.fullMacs,
    lambda: { recommended: policy.lambda, ...policy.agent.lambdaRange },
    price: queue.price,
    waiting: queue.waiting,
    drift,
  };
}
