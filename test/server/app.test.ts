/** The server, asked without a socket: what it gives, and what it refuses. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { binaryFiles } from "../../src/server/binaries.ts";
import { pageFiles } from "../../src/server/files.ts";

const HOST = "127.0.0.1:7411";
const root = mkdtempSync(join(tmpdir(), "earlyexit-server-"));
const run = join(root, "run");
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  for (const folder of ["page/assets", "model", "run"]) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "secret.txt"), "secret");
  writeFileSync(join(root, "page/index.html"), "<!doctype html>the page");
  writeFileSync(join(root, "page/assets/app-1234.js"), "1");
  writeFileSync(join(root, "page/assets/ort.wasm"), "2");
  writeFileSync(join(root, "model/model.json"), "{}");
  writeFileSync(join(root, "model/notes.txt"), "secret");
  symlinkSync(join(root, "secret.txt"), join(root, "model/policy.safetensors"));
  writeFileSync(join(run, "metrics.jsonl"), '{"kind":"train","step":1}\n');
  writeFileSync(join(run, "config.json"), '{"seed":1}');
  for (const name of ["first try", "second", "no run"]) mkdirSync(join(root, "runs", name), { recursive: true });
  for (const name of ["first try", "second"]) writeFileSync(join(root, "runs", name, "metrics.jsonl"), "");
  utimesSync(join(root, "runs/first try/metrics.jsonl"), 1000, 1000);
  writeFileSync(join(root, "runs/first try/evaluation.json"), '{"accuracy":0.5}');
  writeFileSync(join(root, "runs/first try/notes.txt"), "secret");
  writeFileSync(join(root, "runs/second/origin.json"), "[]");
  writeFileSync(join(root, "runs/no run/evaluation.json"), "{}");
  symlinkSync(join(root, "run"), join(root, "runs/link"));
  app = createApp({
    page: await pageFiles(join(root, "page")),
    binaries: binaryFiles({ packed: join(root, "packed"), installed: null }),
    devices: ["wasm"],
    models: [{ id: "mine", title: "Mine", folder: join(root, "model") }],
    run,
    runs: join(root, "runs"),
    hosts: [HOST, "localhost:7411"],
    follow: { everyMs: 5 },
  });
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  app.request(`http://${HOST}${path}`, { method, headers: { host: HOST, ...headers } });

describe("what it gives", () => {
  test.each([
    ["/", "text/html; charset=utf-8", "no-cache"],
    ["/assets/app-1234.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"],
    ["/assets/ort.wasm", "application/wasm", "public, max-age=31536000, immutable"],
    ["/models/mine/model.json", "application/json", "no-cache"],
    ["/run/config.json", "application/json", "no-cache"],
  ])("%s", async (path, type, cache) => {
    const response = await ask(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(type);
    expect(response.headers.get("cache-control")).toBe(cache);
  });

  test("the runs of a folder, the newest first, and what is told of each", async () => {
    const runs = (await (await ask("/api/runs")).json()) as {
      name: string;
      changedMs: number;
      isEvaluated: boolean;
      hasOrigin: boolean;
    }[];
    expect(runs.map(({ name, isEvaluated, hasOrigin }) => [name, isEvaluated, hasOrigin])).toEqual([
      ["second", false, true],
      ["first try", true, false],
    ]);
    expect(runs[1]!.changedMs).toBe(1_000_000);
    expect(await (await ask("/runs/first%20try/evaluation.json")).json()).toEqual({ accuracy: 0.5 });
    expect(await (await ask("/runs/second/metrics.jsonl")).text()).toBe("");
    for (const path of [
      "/runs/second/evaluation.json",
      "/runs/no%20run/evaluation.json",
      "/runs/link/config.json",
      "/runs/..%2Frun/config.json",
      "/runs/../secret.txt",
      "/runs/first%20try/notes.txt",
    ])
      expect([path, (await ask(path)).status]).toEqual([path, 404]);
  });

  test("what the page can compute on", async () => {
    expect(await (await ask("/api/devices")).json()).toEqual(["wasm"]);
  });

  test("the models by name, without the folders that they lie in", async () => {
    expect(await (await ask("/api/models")).json()).toEqual([{ id: "mine", title: "Mine" }]);
  });

  test("a page that is isolated, and runs its own scripts alone; refusals too", async () => {
    for (const path of ["/", "/assets/app-1234.js", "/api/models", "/nothing"]) {
      const { headers } = await ask(path);
      expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
      expect(headers.get("cross-origin-embedder-policy")).toBe("require-corp");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      const policy = headers.get("content-security-policy")!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).toMatch(/script-src 'self' 'wasm-unsafe-eval';/);
    }
  });
});

describe("what it refuses", () => {
  test.each([
    "/secret.txt",
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets/..%2f..%2fsecret.txt",
    "/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
    "/..%5csecret.txt",
    "/models/mine/..%2f..%2fsecret.txt",
    "/models/mine/%2e%2e/%2e%2e/secret.txt",
    "/models/mine/notes.txt",
    "/models/mine/",
    "/models/other/model.json",
    "/models/..%2fmodel/model.json",
    "/run/metrics.jsonl%00.json",
    "/run/../secret.txt",
    "/run/..%2fsecret.txt",
    "//secret.txt",
    "/assets",
    "/assets/",
    "/constructor",
    "/__proto__",
  ])("%s", async (path) => {
    const response = await ask(path);
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain("secret");
  });

  test("a link that leads out of the folder", async () => {
    expect((await ask("/models/mine/policy.safetensors")).status).toBe(404);
  });

  test.each(["evil.example", "evil.example:7411", "127.0.0.1:80", "127.0.0.1", "127.0.0.1:7411.evil.example", ""])(
    "to be asked as %s",
    async (host) => {
      for (const path of ["/", "/api/models", "/api/run/events", "/models/mine/model.json"]) {
        const response = await ask(path, { host });
        expect(response.status).toBe(421);
        expect(await response.text()).not.toContain("{");
      }
    },
  );

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("the method %s", async (method) => {
    expect((await ask("/", {}, method)).status).toBe(404);
  });
});

describe("a run as it grows", () => {
  interface Message {
    event: string;
    data: string;
    id: string | undefined;
  }

  /** Messages until one fits; then the connection is given up. */
  async function listen(
    until: (message: Message) => boolean,
    headers: Record<string, string> = {},
  ): Promise<Message[]> {
    const response = await ask("/api/run/events", headers);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const messages: Message[] = [];
    let text = "";
    while (!messages.some(until)) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
      const parts = text.split("\n\n");
      text = parts.pop()!;
      for (const part of parts) messages.push(messageOf(part));
    }
    await reader.cancel();
    return messages;
  }

  function messageOf(text: string): Message {
    const of = (name: string): string[] =>
      text.split("\n").flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []));
    return { event: of("event")[0] ?? "", data: of("data").join("\n"), id: of("id")[0] };
  }

  test("what is there, then what is added, then from where a lost connection was", async () => {
    const first = await listen(({ event }) => event === "state");
    expect(first.map(({ event }) => event)).toEqual(["lines", "state"]);
    expect(first[0]!.data).toBe('{"kind":"train","step":1}');
    expect(first[1]!.data).toBe("live");

    appendFileSync(join(run, "metrics.jsonl"), '{"kind":"train","step":2}\n{"kind":"train","st');
    const again = await listen(({ event }) => event === "state", { "last-event-id": first[0]!.id! });
    expect(again.map(({ event, data }) => [event, data])).toEqual([
      ["lines", '{"kind":"train","step":2}'],
      ["state", "live"],
    ]);

    setTimeout(() => appendFileSync(join(run, "metrics.jsonl"), 'ep":3}\n'), 50);
    const live = await listen(({ data }) => data.includes('"step":3'), { "last-event-id": again[0]!.id! });
    expect(live.at(-1)!.data).toBe('{"kind":"train","step":3}');
  });

  test("an id that is no number begins at the beginning", async () => {
    const [message] = await listen(({ event }) => event === "lines", { "last-event-id": "-7; drop" });
    expect(message!.data).toContain('"step":1');
  });

  test("without a run folder there are no events", async () => {
    const page = await pageFiles(join(root, "page"));
    const bare = createApp({ page, binaries: async () => null, devices: [], models: [], run: null, hosts: [HOST] });
    const get = (path: string) => bare.request(`http://${HOST}${path}`, { headers: { host: HOST } });
    expect((await get("/api/run/events")).status).toBe(404);
    expect(await (await get("/api/run")).json()).toEqual({ folder: null });
  });
});
