/** POST /v1/feedback: labels for answers. It is answered when they are safe. */
import type { FastifyInstance } from "fastify";
import type { z } from "zod";
import { RequestMistake } from "./request-mistake.ts";
import { feedbackSchema, type keptSchema } from "./schemas.ts";
import { deploymentOf, type Service } from "./service.ts";
import { checked } from "./validation.ts";

export function feedbackRoutes(app: FastifyInstance, service: Service): void {
  app.post("/v1/feedback", async (request): Promise<z.output<typeof keptSchema>> => {
    const { store } = service;
    if (!store) throw new RequestMistake("feedback: a service with a store expected; start it with --store", 501);
    const body = checked(feedbackSchema, request.body, "body");
    const { name, model } = deploymentOf(service, body.model);
    const { classes } = model.network;
    const given = "labels" in body ? body.labels : [body];
    const rows = given.map(({ id, label }) => {
      const classIndex = classes.indexOf(label);
      if (classIndex >= 0) return { id, model: name, classIndex, at: Date.now() };
      const some = classes.slice(0, 10).join(", ");
      throw new RequestMistake(
        `label: one of the model's classes (${some}${classes.length > 10 ? ", .." : ""}) expected`,
      );
    });
    // of several for one answer the last one counts
    await store.addLabels([...new Map(rows.map((row) => [row.id, row])).values()]);
    return { kept: rows.length };
  });
}
