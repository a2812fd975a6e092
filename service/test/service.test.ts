/** The whole service: sockets, worker processes, the model of drawn pictures that comes with the package. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningService, serve } from "@earlyexit/server";
import { AdaptiveClassifier } from "earlyexit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { answerSchema, answersSchema } from "../src/schemas.ts";
import { MODEL, picture, pixelsOf } from "./pictures.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-service-"));
const model = join(folder, "shapes");
const KEY = "a key of more than sixteen letters";
let classifier: AdaptiveClassifier;
let service: RunningService;

beforeAll(async () => {
  cpSync(MODEL, model, { recursive: true });
  classifier = await AdaptiveClassifier.load(MODEL, { threads: 1 });
  service = await serve({
    models: { shapes: model },
    port: 0,
    workers: 2,
    sloMs: 60_000,
    maxBytes: 100_000,
    watchMs: 0,
    keys: [KEY],
  });
});
afterAll(async () => {
  await service.close();
  await classifier.close();
  rmSync(folder, { recursive: true, force: true });
});

function ask(path: string, init: RequestInit & { key?: string | null } = {}): Promise<Response> {
  const { key = KEY, headers, ...rest } = init;
  return fetch(new URL(path, service.url), {
    ...rest,
    headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(headers as Record<string, string>) },
  });
}
const post = (path: string, body: NonNullable<RequestInit["body"]>, headers = {}) =>
  ask(path, { method: "POST", body, headers });

const inferred = z.object({ id: z.string(), outputs: z.array(z.looseObject({ name: z.string() })) });

test("a picture as body is answered as the classifier answers it", async () => {
  for (const kind of [0, 4, 8]) {
    const bytes = await picture(kind);
    const { label, exit, costMacs, confidence } = await classifier.classify(bytes);
    const response = await post(`/v1/classify?lambda=${classifier.lambda}&explain=1`, new Uint8Array(bytes));
    const answer = answerSchema.parse(await response.json());
    expect(answer).toMatchObject({ class: label, exit, costMacs, model: "shapes" });
    expect(answer.confidence).toBeCloseTo(confidence, 4);
    expect(answer.trace).toHaveLength(exit);
    expect(classifier.network.classes[kind]).toBe(answer.class);
  }
});

test("many pictures, as a form or as JSON: a bad one among them is told so, the others are answered", async () => {
  const [a, b] = [await picture(1), await picture(2)];
  const form = new FormData();
  form.append("pictures", new Blob([new Uint8Array(a)]));
  form.append("pictures", new Blob(["no picture"]));
  form.append("pictures", new Blob([new Uint8Array(b)]));
  const { answers } = answersSchema.parse(await (await post("/v1/classify", form)).json());
  const { classes } = classifier.network;
  expect(answers[0]).toMatchObject({ class: classes[1] });
  expect(answers[1]).toEqual({ error: expect.stringContaining("expected a picture") });
  expect(answers[2]).toMatchObject({ class: classes[2] });
  const json = JSON.stringify({ pictures: [a.toString("base64")] });
  const again = answersSchema.parse(
    await (await post("/v1/classify", json, { "content-type": "application/json" })).json(),
  );
  expect(again.answers[0]).toMatchObject({ class: classes[1] });
});

test("mistakes have their status and one line", async () => {
  const status = async (response: Promise<Response>) => (await response).status;
  expect(await status(post("/v1/classify", "no picture"))).toBe(400);
  expect(await status(post("/v1/classify?lambda=99", new Uint8Array(await picture(0))))).toBe(400);
  expect(await status(post("/v1/classify?nothing=1", new Uint8Array(await picture(0))))).toBe(400);
  expect(await status(post("/v1/classify", new Uint8Array(100_001)))).toBe(413);
  expect(await status(ask("/v1/models/none"))).toBe(404);
  expect(await status(ask("/v1/models", { key: null }))).toBe(401);
  expect(await status(ask("/v1/models", { key: `${KEY}!` }))).toBe(401);
  expect(await status(ask("/healthz", { key: null }))).toBe(200);
  expect(await status(ask("/readyz", { key: null }))).toBe(200);
});

test("the Open Inference Protocol: JSON and binary tensors give the classifier's answers", async () => {
  const kinds = [3, 5];
  const pixels = kinds.flatMap((kind) => Array.from(pixelsOf(kind)));
  const input = { name: "pixels", shape: [2, 3, 32, 32], datatype: "UINT8" };
  const asked = await post(
    "/v2/models/shapes/infer",
    JSON.stringify({ id: "x", inputs: [{ ...input, data: pixels }] }),
  );
  const { id, outputs } = inferred.parse(await asked.json());
  const named = Object.fromEntries(outputs.map((one) => [one.name, one]));
  expect(id).toBe("x");
  expect(named.class).toEqual({ name: "class", datatype: "INT64", shape: [2], data: kinds });
  expect(named.probabilities!.shape).toEqual([2, 10]);
  const head = JSON.stringify({
    inputs: [{ ...input, parameters: { binary_data_size: pixels.length } }],
    outputs: [{ name: "class", parameters: { binary_data: true } }],
  });
  const body = Buffer.concat([Buffer.from(head), Buffer.from(pixels)]);
  const binary = await post("/v2/models/shapes/infer", body, {
    "inference-header-content-length": String(head.length),
  });
  const length = Number(binary.headers.get("inference-header-content-length"));
  const raw = Buffer.from(await binary.arrayBuffer()).subarray(length);
  expect([raw.readBigInt64LE(0), raw.readBigInt64LE(8)]).toEqual([3n, 5n]);
  const meta = await (await ask("/v2/models/shapes")).json();
  const pixelsInput = { name: "pixels", datatype: "UINT8", shape: [-1, 3, 32, 32] };
  expect(meta).toMatchObject({ inputs: expect.arrayContaining([pixelsInput]) });
  const cut = await post("/v2/models/shapes/infer", JSON.stringify({ inputs: [{ ...input, data: pixels.slice(1) }] }));
  expect(cut.status).toBe(400);
});

test("it describes itself: OpenAPI from the schemas, a page without a foreign address, figures for Prometheus", async () => {
  const description = z.object({ paths: z.looseObject({}) }).parse(await (await ask("/openapi.json")).json());
  expect(Object.keys(description.paths)).toEqual(expect.arrayContaining(["/v1/classify", "/v2/models/{name}/infer"]));
  const page = await (await ask("/docs")).text();
  expect(page).toContain("swagger");
  expect(page).not.toMatch(/(src|href)="https?:/);
  const metrics = await (await ask("/metrics")).text();
  expect(metrics).toMatch(/earlyexit_answers_total\{model="shapes",version="[\da-f]{12}",exit="1"\} \d+/);
  expect(metrics).toMatch(/earlyexit_price\{model="shapes"\} 0\.\d+/);
});

test("request ids and trace context are passed on", async () => {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { headers } = await ask("/healthz", { headers: { "x-request-id": "mine", traceparent: trace } });
  expect([headers.get("x-request-id"), headers.get("traceparent")]).toEqual(["mine", trace]);
});

test("a worker that is killed is replaced, and what it had is answered by another", async () => {
  const bytes = new Uint8Array(await picture(6));
  const deployment = service.deployments.get("shapes")!;
  const before = [...deployment.workerIds];
  const answers = Array.from({ length: 200 }, () => post("/v1/classify", bytes));
  await new Promise((done) => setTimeout(done, 30));
  process.kill(before[0]!, "SIGKILL");
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(statuses).toEqual(Array(200).fill(200));
  await expect.poll(() => deployment.workerIds.length, { timeout: 30_000 }).toBe(2);
  expect(deployment.workerIds).not.toEqual(before);
});

test("a newer model folder is taken without a lost request", async () => {
  const deployment = service.deployments.get("shapes")!;
  const { version } = deployment;
  const json = join(model, "model.json");
  writeFileSync(json, `${readFileSync(json, "utf8")}\n`); // another file, the same model
  const bytes = new Uint8Array(await picture(6));
  let isDone = false;
  const reload = Promise.all([deployment.reload(), deployment.reload()]).finally(() => (isDone = true));
  const statuses: number[] = [];
  while (!isDone) statuses.push((await post("/v1/classify", bytes)).status);
  expect(await reload).toEqual([true, false]); // one at a time, or workers would be left behind
  expect(deployment.workerIds).toHaveLength(2);
  expect(await (await post("/v1/models/shapes/reload", "")).json()).toMatchObject({ reloaded: false });
  expect(statuses.every((status) => status === 200)).toBe(true);
  expect(deployment.version).not.toBe(version);
});

test("a slow sender holds up nobody", async () => {
  const { hostname, port } = new URL(service.url);
  const slow = connect(Number(port), hostname);
  slow.write(`POST /v1/classify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-length: 1000\r\n\r\nxx`);
  const { status } = await post("/v1/classify", new Uint8Array(await picture(6)));
  expect(status).toBe(200);
  slow.destroy();
});

test("an address of other computers needs keys", async () => {
  await expect(serve({ models: { shapes: model }, host: "0.0.0.0", port: 0 })).rejects.toThrow(/keys expected/);
});
