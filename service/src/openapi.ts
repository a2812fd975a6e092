/** The OpenAPI description, made of the schemas that requests are checked by. */
import { VERSION } from "earlyexit";
import { z } from "zod";
import {
  answerSchema,
  answersSchema,
  classifyQuery,
  compareQuery,
  comparisonSchema,
  errorSchema,
  feedbackSchema,
  inferSchema,
  keptSchema,
  modelSchema,
  modelsSchema,
  picturesJson,
} from "./schemas.ts";

const jsonSchema = (schema: z.ZodType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io: "input",
    unrepresentable: "any",
  });
  return rest;
};
const json = (schema: z.ZodType) => ({ "application/json": { schema: jsonSchema(schema) } });
const gives = (description: string, schema: z.ZodType) => ({
  200: { description, content: json(schema) },
  ...MISTAKES,
});
const text = (description: string) => ({ 200: { description } });
const status = z.object({ status: z.string() });

const error = (description: string) => ({ description, content: json(errorSchema) });
const MISTAKES = {
  400: error("What was wrong with the request."),
  401: error("A key is needed."),
  404: error("No such model."),
  413: error("Too many bytes."),
  429: error("Too many requests, even at the highest price; Retry-After says when to come back."),
  503: error("The service is about to end."),
};

function parameters(schema: z.ZodObject) {
  const { properties = {}, required = [] } = jsonSchema(schema) as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: "query",
    required: required.includes(name),
    description,
    schema: rest,
  }));
}

const NAME = [{ name: "name", in: "path", required: true, schema: { type: "string" } }];

export function openApi() {
  return {
    openapi: "3.1.0",
    info: {
      title: "earlyexit",
      version: VERSION,
      description:
        "Classifies pictures, and stops computing as soon as it knows the answer; under load it stops sooner.",
    },
    components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
    paths: {
      "/v1/classify": {
        post: {
          summary: "What pictures show",
          parameters: parameters(classifyQuery),
          requestBody: {
            content: {
              "image/*": { schema: { type: "string", format: "binary" } },
              "multipart/form-data": {
                schema: {
                  type: "object",
                  properties: { pictures: { type: "array", items: { type: "string", format: "binary" } } },
                },
              },
              ...json(picturesJson),
            },
          },
          responses: gives(
            "One answer for a picture as body, a list otherwise.",
            z.union([answerSchema, answersSchema]),
          ),
        },
      },
      "/v1/feedback": {
        post: {
          summary: "The right classes of answers, by their ids; needs --store",
          requestBody: { content: json(feedbackSchema) },
          responses: gives("They are safe.", keptSchema),
        },
      },
      "/v1/models": { get: { summary: "What is served", responses: gives("All models.", modelsSchema) } },
      "/v1/models/{name}": {
        get: { summary: "One model", parameters: NAME, responses: gives("The model.", modelSchema) },
      },
      "/v1/models/{name}/reload": {
        post: {
          summary: "Reads the model folder again if it has changed, without a lost request",
          parameters: NAME,
          responses: gives("Whether it had.", z.object({ reloaded: z.boolean(), version: z.string() })),
        },
      },
      "/v1/models/{name}/versions/{id}/compare": {
        get: {
          summary: "What this version and another one would have said to the answers kept last; needs --store",
          parameters: [
            ...NAME,
            { name: "id", in: "path", required: true, schema: { type: "string" } },
            ...parameters(compareQuery),
          ],
          responses: gives("Both, side by side.", comparisonSchema),
        },
      },
      "/v2/models/{name}/infer": {
        post: {
          summary: "Open Inference Protocol, version 2; with Inference-Header-Content-Length also binary tensors",
          parameters: NAME,
          requestBody: { content: json(inferSchema) },
          responses: gives("class, probabilities, exit and cost_macs.", z.object({ outputs: z.array(z.unknown()) })),
        },
      },
      "/v2/models/{name}": { get: { summary: "Tensors of a model", parameters: NAME, responses: text("Metadata.") } },
      "/v2/health/ready": { get: { summary: "Ready", responses: text("Ready.") } },
      "/healthz": { get: { summary: "The process answers", responses: gives("It does.", status) } },
      "/readyz": { get: { summary: "Requests are taken", responses: gives("They are.", status) } },
      "/metrics": { get: { summary: "For Prometheus", responses: text("Text format.") } },
    },
  };
}
