/** What a service does with senders that ask too much, leave, are slow, or are many. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type RunningService, serve } from "@earlyexit/server";
import { afterEach, expect, test } from "vitest";
import { MODEL, picture } from "./pictures.ts";

let service: RunningService | null = null;
afterEach(async () => {
  await service?.close();
  service = null;
});
const start = async (options = {}): Promise<RunningService> => {
  service = await serve({ models: { shapes: MODEL }, port: 0, workers: 1, watchMs: 0, ...options });
  return service;
};
const post = (url: string, file: Uint8Array, path = "/v1/classify") =>
  fetch(new URL(path, url), { method: "POST", body: new Uint8Array(file) });

test("more than can be answered in time gets 429 with Retry-After, at once; the others are answered", async () => {
  const { url } = await start({ sloMs: 1 });
  const file = await picture(3);
  const answers = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const { status, headers } = await post(url, file);
      return { status, retry: headers.get("retry-after") };
    }),
  );
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.every(({ retry }) => Number(retry) >= 1)).toBe(true);
  expect(answers.filter(({ status }) => status === 200).length).toBe(300 - refused.length);
  expect((await post(url, file)).status).toBe(200); // and it is over with the load
});

test("who leaves is not computed", async () => {
  const { url, deployments } = await start({ sloMs: 60_000, maxBatch: 1 });
  const { queue } = deployments.get("shapes")!;
  const file = await picture(3);
  const controller = new AbortController();
  const { signal } = controller;
  const asked = Array.from({ length: 200 }, () =>
    fetch(new URL("/v1/classify", url), { method: "POST", body: new Uint8Array(file), signal }).catch(() => null),
  );
  await expect.poll(() => queue.waiting, { interval: 1 }).toBeGreaterThan(20);
  const waiting = queue.waiting;
  controller.abort();
  await Promise.all(asked);
  await expect.poll(() => queue.waiting, { interval: 1 }).toBe(0);
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  const answered = [...metrics.matchAll(/earlyexit_answers_total\{.*\} (\d+)/g)].reduce(
    (sum, one) => sum + Number(one[1]),
    0,
  );
  expect(answered).toBeLessThanOrEqual(200 - waiting / 2); // those that waited when everybody left were dropped, most of them
});

test("a thousand idle connections and a hundred slow senders hold up nobody", async () => {
  const { url } = await start({ sloMs: 60_000 });
  const { hostname, port } = new URL(url);
  const sockets = Array.from({ length: 1100 }, (): Socket => connect(Number(port), hostname));
  await Promise.all(sockets.map((one) => once(one, "connect")));
  for (const one of sockets.slice(1000))
    one.write("POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\nxx");
  const file = await picture(3);
  for (let i = 0; i < 20; i++) expect((await post(url, file)).status).toBe(200);
  for (const one of sockets) one.destroy();
});

test("a rate is kept, probes are free", async () => {
  const { url } = await start({ rateLimit: 5 });
  const statuses = [];
  for (let i = 0; i < 12; i++) statuses.push((await fetch(new URL("/v1/models", url))).status);
  expect(statuses.slice(0, 5)).toEqual([200, 200, 200, 200, 200]);
  expect(statuses).toContain(429);
  expect((await fetch(new URL("/healthz", url))).status).toBe(200);
});
