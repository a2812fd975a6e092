/** Answers, labels and learning on, by HTTP, with worker processes; and services that are killed while labels come. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type RunningService, serve } from "@earlyexit/server";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { answerSchema, answersSchema, comparisonSchema } from "../src/schemas.ts";
import { openStore } from "../src/store/open-store.ts";
import { MODEL, picture } from "./pictures.ts";
import { hasPostgres, type Postgres, startPostgres } from "./postgres.ts";

const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;
/** Of a service, for each store. `npm run test:long` asks for more. */
const KILLS = process.env.EARLYEXIT_LONG ? 50 : 3;

const folder = mkdtempSync(join(tmpdir(), "earlyexit-feedback-"));
let postgres: Postgres | null = null;
let service: RunningService | null = null;
beforeAll(async () => {
  if (hasPostgres) postgres = await startPostgres();
});
afterEach(async () => {
  await service?.close();
  service = null;
});
afterAll(async () => {
  await postgres?.end();
  rmSync(folder, { recursive: true, force: true });
});

const start = (store: string, others = {}) =>
  serve({ models: { shapes: MODEL }, port: 0, workers: 1, sloMs: 60_000, watchMs: 0, store, ...others });
const json = { "content-type": "application/json" };
const post = (url: string, path: string, body: object | Uint8Array) =>
  fetch(new URL(path, url), {
    method: "POST",
    ...(body instanceof Uint8Array ? { body: new Uint8Array(body) } : { headers: json, body: JSON.stringify(body) }),
  });

test("an answer is kept with what every exit says, and its label finds it", async () => {
  const place = join(folder, "kept");
  service = await start(place, { keepPictures: 1 });
  const file = await picture(4);
  const answer = answerSchema.parse(await (await post(service.url, "/v1/classify?lambda=1", file)).json());
  expect(answer.exit).toBeLessThan(4);
  expect(await (await post(service.url, "/v1/feedback", { id: answer.id, label: answer.class })).json()).toEqual({
    kept: 1,
  });
  const bad = [{ id: answer.id, label: "no such class" }, { id: "no id", label: answer.class }, { labels: [] }];
  for (const one of bad) expect((await post(service.url, "/v1/feedback", one)).status).toBe(400);
  const { network, policy } = service.deployments.get("shapes")!.model;
  await service.close();
  service = null;
  const store = await openStore(place);
  const lessons = await store.lessons("shapes", network.sha256, 0, null);
  expect(lessons).toMatchObject([{ id: answer.id, classIndex: network.classes.indexOf(answer.class) }]);
  expect(lessons[0]!.logits).toHaveLength(network.stages.length * network.classes.length);
  const last = lessons[0]!.logits.subarray(-network.classes.length);
  expect(last.indexOf(Math.max(...last))).toBe(4); // the last exit knows this one, though the picture left before
  expect(policy!.costs.exitMacs).toHaveLength(network.stages.length);
  expect(await store.picture(answer.id)).toEqual(new Uint8Array(file));
  await store.close();
});

test("without a store there is no feedback, and the answer says what to do", async () => {
  service = await serve({ models: { shapes: MODEL }, port: 0, workers: 1, watchMs: 0 });
  const answer = await post(service.url, "/v1/feedback", { id: randomUUID(), label: "x" });
  expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining("start it with --store")]);
});

const versionsSchema = z.object({
  versions: z.array(z.looseObject({ id: z.string(), live: z.boolean(), judgement: z.any() })),
});

test("it learns when told, promotes only what is better, and goes back when told", async () => {
  service = await start(join(folder, "learns"), { learnSteps: 3000 });
  const { url } = service;
  const early = await post(url, "/v1/models/shapes/learn", {});
  expect([early.status, await early.text()]).toEqual([
    409,
    expect.stringContaining("at least 200 labels since the last time expected"),
  ]);
  // whatever the network says, the label is another: leaving at once is all that there is to learn
  const { classes } = service.deployments.get("shapes")!.model.network;
  const files = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((kind) => picture(kind)));
  const label = async (): Promise<void> => {
    const pictures = files.map((file) => file.toString("base64"));
    const { answers } = answersSchema.parse(await (await post(url, "/v1/classify", { pictures })).json());
    const labels = answers.map((one, kind) => ({
      id: answerSchema.parse(one).id,
      label: classes[(kind + 1) % classes.length],
    }));
    expect((await post(url, "/v1/feedback", { labels })).status).toBe(200);
  };
  for (let round = 0; round < 40; round++) await label();
  const first = service.deployments.get("shapes")!.version;
  const compare = async (id: string) => {
    const answer = await fetch(`${url}/v1/models/shapes/versions/${id}/compare?with=${first}`);
    return answer.ok ? comparisonSchema.parse(await answer.json()) : null;
  };
  // until what every exit says is there, too
  await expect.poll(async () => (await compare(first))?.images, { timeout: 120_000 }).toBe(40 * files.length);
  expect((await post(url, "/v1/models/shapes/learn", {})).status).toBe(200);
  const { versions } = versionsSchema.parse(await (await fetch(`${url}/v1/models/shapes/versions`)).json());
  expect(versions).toHaveLength(2);
  const [learned, base] = [versions[0]!, versions[1]!];
  expect(learned).toMatchObject({ live: true, parent: first, judgement: { better: true } });
  expect(learned.judgement.interval[0]).toBeGreaterThan(0);
  expect(base).toMatchObject({ id: first, live: false, judgement: null });
  const answer = answerSchema.parse(await (await post(url, "/v1/classify", files[0]!)).json());
  expect(answer).toMatchObject({ version: learned.id, exit: 1 });
  expect(await compare(learned.id)).toMatchObject({ versions: [first, learned.id], labelled: null }); // all labels are known to it
  await label();
  await expect.poll(async () => (await compare(learned.id))?.labelled?.images, { timeout: 60_000 }).toBe(files.length);
  const { policies, labelled, lambda } = (await compare(learned.id))!;
  expect(policies[1]!.exits[0]).toBe(1);
  expect(policies[1]!.cost).toBeLessThan(policies[0]!.cost);
  expect(labelled!.return[1]).toBeCloseTo(labelled!.accuracy[1] - lambda * policies[1]!.cost, 9);
  const models = (...args: string[]) =>
    promisify(execFile)(process.execPath, [COMMAND, "models", ...args, "--url", url]);
  const lines = (await models("list")).stdout.split("\n");
  expect(lines[0]).toMatch(new RegExp(`^\\* ${learned.id} .* return -?0\\.\\d+ -> -?0\\.\\d+ .* labels: better$`));
  const told = (await models("compare", first)).stdout.split("\n");
  expect(told[0]).toMatch(new RegExp(`^${learned.id}  exits 100.0% 0.0% .*, \\d+\\.\\d% right, return -?0\\.\\d+$`));
  expect(told[2]).toMatch(/^\d+ answers at lambda .* on 8 labels that came after both$/);
  expect(lines[1]).toMatch(new RegExp(`^ {2}${first} .* as its folder held it$`));
  expect((await models("rollback")).stdout).toContain(`* ${first}`);
  expect(answerSchema.parse(await (await post(url, "/v1/classify", files[0]!)).json()).version).toBe(first);
  expect((await post(url, "/v1/models/shapes/versions/none/promote", {})).status).toBe(404);
}, 300_000);

// ---- Killed ------------------------------------------------------------------------------------------------------------

const STORES = [
  { kind: "libsql", place: async () => join(folder, "killed"), isHere: true },
  { kind: "postgres", place: () => postgres!.create("killed"), isHere: hasPostgres },
];
async function command(place: string): Promise<{ child: ChildProcess; url: string }> {
  const args = [COMMAND, "serve", "--model", MODEL, "--port", "0", "--workers", "1", "--quiet", "--store", place];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await once(child.stdout!, "data");
  return { child, url: String(text).trim() };
}

test.each(STORES)(
  "$kind: every label that was acknowledged is there after kill -9",
  async ({ place, isHere }) => {
    if (!isHere) return;
    const at = await place();
    const acknowledged: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const { child, url } = await command(at);
      const exit = once(child, "exit");
      let isAlive = true;
      const send = async (): Promise<void> => {
        while (isAlive) {
          const id = randomUUID();
          const { status } = await post(url, "/v1/feedback", { id, label: "circle" }).catch(() => ({ status: 0 }));
          if (status === 200) acknowledged.push(id);
          else if (isAlive) throw new Error(`feedback: status 200 expected, found ${status}`);
        }
      };
      const sending = Promise.all([send(), send(), send(), send()]);
      const before = acknowledged.length;
      await expect.poll(() => acknowledged.length - before, { timeout: 60_000, interval: 10 }).toBeGreaterThan(4);
      await new Promise((done) => setTimeout(done, 37 * (kill % 10)));
      isAlive = false;
      child.kill("SIGKILL");
      await Promise.all([exit, sending]);
    }
    expect(acknowledged.length).toBeGreaterThan(4 * KILLS);
    const store = await openStore(at);
    const { labels } = await store.counts();
    expect(await store.labelled(acknowledged)).toBe(acknowledged.length);
    expect(labels).toBeGreaterThanOrEqual(acknowledged.length);
    await store.close();
  },
  600_000,
);
