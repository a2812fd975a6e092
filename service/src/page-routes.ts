/** The page at /: its three files, and GET /v1/models/:name/live, which it draws. */
import { fileURLToPath } from "node:url";
import { readShortText } from "earlyexit";
import type { FastifyInstance } from "fastify";
import { deploymentOf, type Service } from "./service.ts";

const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
} as const;

/** What a browser asks for before it can be given a key; nothing of the models is in it. */
export const PAGE_PATHS: readonly string[] = Object.keys(FILES);

export async function pageRoutes(app: FastifyInstance, service: Service): Promise<void> {
  for (const [path, [file, type]] of Object.entries(FILES)) {
    const text = await readShortText(fileURLToPath(new URL(`../page/${file}`, import.meta.url)));
    app.get(path, async (_, reply) => reply.type(type).send(text));
  }
  app.get<{ Params: { name: string } }>("/v1/models/:name/live", async ({ params }) => {
    const { live, model, queue, drift, version } = deploymentOf(service, params.name);
    const versions = service.store ? await service.store.versions(params.name, model.network.sha256) : [];
    const { lambda } = model.policy!;
    return {
      now: Math.floor(Date.now() / 1000),
      seconds: live.read(),
      exits: model.network.stages.length,
      ...{ lambda, price: queue.price, waiting: queue.waiting, drift, version },
      versions: versions.map(({ id, at, judgement }) => ({ id, at, judgement, live: id === version })),
    };
  });
}
