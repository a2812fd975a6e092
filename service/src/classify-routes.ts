/** POST /v1/classify: a picture as body, many as multipart, or JSON with base64. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { RequestMistake } from "./request-mistake.ts";
import { BadPicture } from "./request-queue.ts";
import { classifyQuery, picturesJson } from "./schemas.ts";
import { ask, clientSignal, deploymentOf, describeAnswer, type Service } from "./service.ts";
import { checked } from "./validation.ts";

export function classifyRoutes(app: FastifyInstance, service: Service): void {
  app.post("/v1/classify", async (request, reply) => {
    const query = checked(classifyQuery, request.query, "query");
    const deployment = deploymentOf(service, query.model);
    const signal = clientSignal(request, reply);
    const { files, isOne } = await readFiles(request);
    const explain = query.explain === "1";
    const wish = {
      signal,
      explain,
      ...(query.lambda === undefined ? {} : { lambda: query.lambda }),
      ...(query.deadline_ms === undefined ? {} : { deadlineMs: query.deadline_ms }),
    };
    const one = async (file: Uint8Array) =>
      describeAnswer(deployment, await ask(service, deployment, { ...wish, picture: { file } }), explain);
    if (isOne) return one(files[0]!);
    return {
      answers: await Promise.all(
        files.map((file) =>
          one(file).catch((error: unknown) => {
            if (error instanceof BadPicture) return { error: error.message };
            throw error;
          }),
        ),
      ),
    };
  });
}

async function readFiles(request: FastifyRequest): Promise<{ files: Uint8Array[]; isOne: boolean }> {
  if (request.isMultipart()) {
    const files: Uint8Array[] = [];
    for await (const part of request.files()) files.push(await part.toBuffer());
    if (files.length === 0) throw new RequestMistake("classify: files in the form expected, found none");
    return { files, isOne: false };
  }
  if (request.body instanceof Uint8Array && request.body.length > 0) return { files: [request.body], isOne: true };
  if (request.headers["content-type"]?.startsWith("application/json")) {
    const { pictures } = checked(picturesJson, request.body, "body");
    return { files: pictures.map((text) => Buffer.from(text, "base64")), isOne: false };
  }
  throw new RequestMistake("classify: a picture's bytes as body, a form with files or JSON expected, found nothing");
}
