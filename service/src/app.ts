/** The service as answers to requests; `inject` asks it without a socket. */
import { type AdaptiveClassifier, UserError } from "earlyexit";
import Fastify, { type FastifyInstance } from "fastify";

export interface AppOptions {
  readonly classifier: AdaptiveClassifier;
  /** Bytes of a picture's file, at most; default 10 MB. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 10_000_000;

/**
 *     GET  /healthz       the process answers
 *     POST /v1/classify   a picture's bytes as body -> class, confidence, exit, cost
 */
export function createApp({ classifier, maxBytes = MAX_BYTES }: AppOptions): FastifyInstance {
  const app = Fastify({ bodyLimit: maxBytes });
  // whatever the client calls it, the bytes say what it is
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error instanceof UserError ? 400 : (error.statusCode ?? 500);
    return reply.code(status).send({ error: status === 500 ? "a defect of the server" : error.message });
  });
  app.get("/healthz", async () => ({ status: "ok" }));
  app.post("/v1/classify", async (request) => {
    if (!(request.body instanceof Uint8Array) || request.body.length === 0)
      throw new UserError("classify: a picture's bytes as body expected, found none; send a JPEG, PNG or WebP file");
    const { label, classIndex, confidence, exit, stoppedBy, costMacs } = await classifier.classify(request.body);
    return { label, classIndex, confidence, exit, stoppedBy, costMacs };
  });
  return app;
}
