/** What goes in and out, once: requests are checked by these, and the OpenAPI description is made of them. */
import { z } from "zod";

const query = (text: string) => z.coerce.number().min(0).optional().describe(text);

export const classifyQuery = z.strictObject({
  lambda: query("Price of the full network in units of one correct answer, instead of the price of the moment."),
  deadline_ms: query("Milliseconds from the request to the answer; no stage is begun that would end later."),
  explain: z.enum(["0", "1"]).optional().describe("1: what every exit on the way said, too."),
  model: z.string().optional().describe("Name of the model; default: the first one."),
});

export const compareQuery = z.strictObject({
  with: z.string().optional().describe("Id of the version that it is compared with; default: the live one."),
  lambda: query("Price at which both answer; default: the recommended one."),
});

export const comparisonSchema = z.object({
  versions: z
    .array(z.string())
    .length(2)
    .describe("First the one that is compared with, then the one asked for; so all below."),
  lambda: z.number(),
  images: z.int().describe("Answers kept last."),
  policies: z
    .array(z.object({ exits: z.array(z.number()), cost: z.number() }))
    .describe("Exit shares, mean cost / full."),
  same: z.number().describe("Share of the answers that both call the same."),
  labelled: z
    .object({
      images: z.int(),
      accuracy: z.tuple([z.number(), z.number()]),
      return: z.tuple([z.number(), z.number()]),
      interval: z.tuple([z.number(), z.number()]).describe("95% of the difference of the returns."),
    })
    .nullable()
    .describe("On labels that came after both; null while there are none."),
});

export const picturesJson = z.strictObject({
  pictures: z.array(z.base64()).min(1).max(256).describe("The pictures' files, in base64."),
});

const traceSchema = z.object({
  exit: z.int().describe("1 is the first one."),
  class: z.string(),
  confidence: z.number(),
  probabilities: z.array(z.number()),
  qExit: z.number().nullable().describe("What the agent expects from leaving; null at the last exit."),
  qContinue: z.number().nullable().describe("What it expects from going on."),
});

export const answerSchema = z.object({
  id: z.string().describe("Names the answer, for feedback."),
  class: z.string(),
  confidence: z.number(),
  exit: z.int().describe("Where it left; 1 is the first exit."),
  stoppedBy: z.enum(["policy", "deadline", "last exit"]),
  costMacs: z.number().describe("Multiply-accumulates spent."),
  price: z.number().describe("The lambda that it was answered at."),
  model: z.string(),
  version: z.string(),
  waitMs: z.number().describe("Milliseconds in the queue."),
  trace: z.array(traceSchema).optional(),
});

export const errorSchema = z.object({ error: z.string(), requestId: z.string() });

/** One per picture, where there were many. */
export const answersSchema = z.object({ answers: z.array(z.union([answerSchema, z.object({ error: z.string() })])) });

const feedback = {
  id: z.uuid().describe("Of the answer."),
  label: z.string().describe("The right class."),
};

/** One label, or many. */
export const feedbackSchema = z.union([
  z.strictObject({ ...feedback, model: z.string().optional() }),
  z.strictObject({ labels: z.array(z.strictObject(feedback)).min(1).max(1000), model: z.string().optional() }),
]);

export const keptSchema = z.object({ kept: z.int().describe("Labels that are safe now.") });

export const modelSchema = z.object({
  name: z.string(),
  version: z.string(),
  classes: z.array(z.string()),
  input: z.object({ shape: z.array(z.int()).describe("[C, H, W]") }),
  exits: z.array(z.object({ exit: z.int(), costMacs: z.number() })),
  fullMacs: z.number(),
  lambda: z.object({ recommended: z.number(), from: z.number(), to: z.number() }),
  price: z.number().describe("Now."),
  waiting: z.int().describe("Pictures in the queue."),
  drift: z
    .object({ answers: z.int(), exits: z.number(), classes: z.number(), confidence: z.number() })
    .nullable()
    .describe("Population stability index against validation; null while there are fewer than 100 answers."),
});

export const modelsSchema = z.object({ models: z.array(modelSchema) });

export const tensorSchema = z.object({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  datatype: z.enum(["BYTES", "UINT8", "FP32"]),
  data: z.array(z.unknown()).optional(),
  parameters: z.record(z.string(), z.unknown()).optional(),
});

export const inferSchema = z.object({
  id: z.string().optional(),
  inputs: z.array(tensorSchema).length(1),
  outputs: z.array(z.object({ name: z.string(), parameters: z.record(z.string(), z.unknown()).optional() })).optional(),
  parameters: z.record(z.string(), z.unknown()).optional(),
});

export type Answer = z.output<typeof answerSchema>;
