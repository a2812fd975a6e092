/** The page and what it may read: answers to requests, without a socket. */
import { Hono, type MiddlewareHandler } from "hono";
import { streamSSE } from "hono/streaming";
import { type Files, namedFiles } from "./files.ts";
import { type FollowOptions, followRun, type RunEvent } from "./follow.ts";
import { listRuns, runFiles } from "./runs.ts";

/** A model that the page offers. */
export interface OfferedModel {
  /** Part of its address: letters, digits and dashes. */
  readonly id: string;
  readonly title: string;
  readonly folder: string;
  /** Names of its network's files; default: that of a network of ours. */
  readonly networkFiles?: readonly string[];
}

export interface AppOptions {
  readonly page: Files;
  /** ONNX Runtime's, for the page. */
  readonly binaries: Files;
  /** That the page can compute on, as far as these binaries go. */
  readonly devices: readonly string[];
  readonly models: readonly OfferedModel[];
  /** A run folder, which need not exist yet; null for none. */
  readonly run: string | null;
  /** A folder of runs to list, which need not exist; absent: none. */
  readonly runs?: string;
  /** Names under which the server may be asked, with port, for example "127.0.0.1:8123". */
  readonly hosts: readonly string[];
  readonly follow?: Pick<FollowOptions, "everyMs" | "stillAfterMs">;
}

const MODEL_FILES = ["model.json", "policy.safetensors", "validation.safetensors"];
const NETWORK_FILES = ["network.safetensors"];
const RUN_FILES = ["config.json", "origin.json", "evaluation.json", "suspects.json"];

/** Milliseconds between two signs of life, so that a lost connection is noticed. */
const HEARTBEAT_MS = 15_000;

export function createApp({ page, binaries, devices, models, run, runs, hosts, follow = {} }: AppOptions): Hono {
  const app = new Hono();
  app.use(onlyHosts(hosts), protectiveHeaders);
  app.get("/api/models", (context) => context.json(models.map(({ id, title }) => ({ id, title }))));
  app.get("/api/devices", (context) => context.json(devices));
  for (const { id, folder, networkFiles = NETWORK_FILES } of models)
    serveFiles(app, `/models/${id}`, namedFiles(folder, [...MODEL_FILES, ...networkFiles]));
  app.get("/api/runs", async (context) => context.json(runs === undefined ? [] : await listRuns(runs)));
  if (runs !== undefined) serveFiles(app, "/runs", runFiles(runs));
  app.get("/api/run", (context) => context.json({ folder: run }));
  if (run !== null) {
    serveFiles(app, "/run", namedFiles(run, RUN_FILES));
    app.get("/api/run/events", (context) =>
      streamSSE(context, async (stream) => {
        const controller = new AbortController();
        stream.onAbort(() => controller.abort());
        const heartbeat = setInterval(() => stream.write(": alive\n\n").catch(() => undefined), HEARTBEAT_MS);
        const from = Number(context.req.header("last-event-id") ?? 0);
        const options = {
          ...follow,
          from: Number.isSafeInteger(from) && from > 0 ? from : 0,
          signal: controller.signal,
        };
        try {
          for await (const event of followRun(run, options)) await stream.writeSSE(messageOf(event));
        } finally {
          clearInterval(heartbeat);
        }
      }),
    );
  }
  serveFiles(app, "", async (name) => (await page(name)) ?? binaries(name));
  app.notFound((context) => context.text("not found", 404));
  return app;
}

/** A browser that comes back tells the id of the last lines that it got. */
function messageOf(event: RunEvent): { event: string; data: string; id?: string } {
  if (event.kind === "lines") return { event: "lines", data: event.lines.join("\n"), id: String(event.offset) };
  return { event: event.kind, data: event.kind === "state" ? event.state : "" };
}

function serveFiles(app: Hono, prefix: string, files: Files): void {
  app.get(`${prefix}/*`, async (context, next) => {
    const name = decoded(context.req.path.slice(prefix.length + 1)) || "index.html";
    const file = await files(name);
    if (!file) return next();
    // Files of the build carry a hash in their names; all others may change under the same one.
    const keeps = prefix === "" && name.startsWith("assets/");
    return context.body(file.bytes, 200, {
      "content-type": file.type,
      "cache-control": keeps ? "public, max-age=31536000, immutable" : "no-cache",
    });
  });
}

/** A name as it was before a browser wrote it into an address. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A foreign page that was given our address by DNS rebinding asks under its own name. */
function onlyHosts(hosts: readonly string[]): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host") ?? "";
    if (hosts.includes(host.toLowerCase())) return next();
    return context.text(`host: ${hosts.join(" or ")} expected, found another one`, 421);
  };
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "img-src 'self' blob: data:",
  "style-src 'self' 'unsafe-inline'", // the style element that Observable Plot puts into each plot
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The first two isolate the page, which is what threads of WebAssembly need. */
const HEADERS: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const protectiveHeaders: MiddlewareHandler = async (context, next) => {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) context.res.headers.set(name, value);
};
