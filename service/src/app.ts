/** The service as answers to requests; `inject` asks it without a socket. */
import multipart from "@fastify/multipart";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from "fastify";
import { classifyRoutes } from "./classify-routes.ts";
import { feedbackRoutes } from "./feedback-routes.ts";
import { inferRoutes } from "./infer-routes.ts";
import { keyCheck, keyOf } from "./keys.ts";
import { modelRoutes } from "./model-routes.ts";
import { openApi } from "./openapi.ts";
import { PAGE_PATHS, pageRoutes } from "./page-routes.ts";
import { RequestMistake } from "./request-mistake.ts";
import { BadPicture, Overloaded } from "./request-queue.ts";
import type { Service } from "./service.ts";
import { versionRoutes } from "./version-routes.ts";
import { FatalPicture } from "./worker-pool.ts";

export interface AppOptions {
  /** Bytes of a request, at most. */
  readonly maxBytes: number;
  /** Needed by every request but those for health; null: nobody needs one. */
  readonly keys: readonly string[] | null;
  /** Requests a second of each key, or of each address where there are no keys; null: any number. */
  readonly rateLimit: number | null;
  readonly logger: NonNullable<FastifyServerOptions["logger"]>;
}

const REQUEST_TIMEOUT_MS = 30_000;
const MOST_PICTURES = 256;
/** What probes ask for, which have no key, and the page, which has to ask for one. */
const OPEN = new Set(["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", ...PAGE_PATHS]);

const HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY",
  "content-security-policy":
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; frame-ancestors 'none'",
};

export async function createApp(service: Service, options: AppOptions): Promise<FastifyInstance> {
  const { maxBytes, keys, logger } = options;
  const app = Fastify({
    logger,
    bodyLimit: maxBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 2 * REQUEST_TIMEOUT_MS,
    requestIdHeader: "x-request-id",
    forceCloseConnections: "idle",
  });
  await app.register(multipart, {
    limits: { fileSize: maxBytes, files: MOST_PICTURES, fields: 8 },
    throwFileSizeLimit: true,
  });
  if (options.rateLimit !== null) await app.register(rateLimit, limitOf(options.rateLimit));
  // whatever the client calls it, the bytes say what it is
  app.removeContentTypeParser("text/plain");
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  protect(app, service, keys);
  answerErrors(app);
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_, reply) =>
    service.isReady() ? { status: "ready" } : reply.code(503).send({ status: "ending" }),
  );
  app.get("/metrics", async (_, reply) =>
    reply.type(service.metrics.contentType).send(await service.metrics.text(service.deployments.values())),
  );
  await app.register(swagger, { mode: "static", specification: { document: openApi() as never } });
  await app.register(swaggerUi, { routePrefix: "/docs" });
  app.get("/openapi.json", async () => openApi());
  classifyRoutes(app, service);
  feedbackRoutes(app, service);
  modelRoutes(app, service);
  versionRoutes(app, service);
  await pageRoutes(app, service);
  inferRoutes(app, service);
  return app;
}

function limitOf(perSecond: number) {
  return {
    max: perSecond,
    timeWindow: 1000,
    allowList: (request: FastifyRequest) => OPEN.has(request.url),
    keyGenerator: ({ headers, ip }: FastifyRequest) => keyOf(headers) ?? ip,
    errorResponseBuilder: (_: FastifyRequest, { max }: { max: number }) =>
      new RequestMistake(`requests: at most ${max} a second expected, found more; come back in a second`, 429),
  };
}

/** Keys, headers, request ids and trace context on every answer; counts and times. */
function protect(app: FastifyInstance, { metrics }: Service, keys: readonly string[] | null): void {
  const isKey = keys && keyCheck(keys);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS).header("x-request-id", request.id);
    const trace = request.headers.traceparent;
    if (typeof trace === "string" && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(trace))
      reply.header("traceparent", trace);
    if (isKey && !OPEN.has(request.url) && !isKey(request.headers))
      throw new RequestMistake("key: one in 'Authorization: Bearer ..' expected, found none that is known", 401);
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    metrics.requests.inc({ route, status: reply.statusCode });
    metrics.seconds.observe({ route }, reply.elapsedTime / 1000);
  });
}

function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = statusOf(error);
    if (error instanceof Overloaded) reply.header("retry-after", error.retryAfterSeconds);
    if (status === 500) request.log.error(error);
    const message = status === 500 ? "a defect of the service; its log says more" : error.message;
    return reply.code(status).send({ error: message, requestId: request.id });
  });
}

function statusOf(error: Error & { statusCode?: number }): number {
  if (error instanceof Overloaded) return 429;
  if (error instanceof BadPicture) return 400;
  if (error instanceof FatalPicture) return 422;
  if (error.name === "AbortError") return 499;
  return error.statusCode ?? 500;
}
