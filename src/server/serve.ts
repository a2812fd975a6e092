/** The server behind `ui`. */
import type { Server } from "node:http";
import { fileURLToPath } from "node:url";
import { createAdaptorServer } from "@hono/node-server";
import { UserError } from "../errors.ts";
import { createApp, type OfferedModel } from "./app.ts";
import { binaryFiles, installedBinaries, pageDevices } from "./binaries.ts";
import { pageFiles } from "./files.ts";

/** Other computers cannot reach it. */
const ADDRESS = "127.0.0.1";
const PAGE = fileURLToPath(new URL("../../dist/page", import.meta.url));
const BINARIES = fileURLToPath(new URL("../../dist/onnxruntime", import.meta.url));

export interface ServeOptions {
  readonly models: readonly OfferedModel[];
  readonly run: string | null;
  /** A folder of runs to list. */
  readonly runs?: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws {UserError} if the port is taken, or the page was not built */
export async function serve({ models, run, runs, port }: ServeOptions): Promise<RunningServer> {
  const hosts: string[] = [];
  const places = { packed: BINARIES, installed: installedBinaries() };
  const parts = { page: await pageFiles(PAGE), binaries: binaryFiles(places), devices: pageDevices(places) };
  const app = createApp({ ...parts, models, run, hosts, ...(runs === undefined ? {} : { runs }) });
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  const taken = await listen(server, port);
  hosts.push(...["127.0.0.1", "localhost"].map((name) => `${name}:${taken}`));
  return {
    url: `http://${ADDRESS}:${taken}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections(); // streams of events do not end by themselves
      }),
  };
}

/** @returns the port */
function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const found = cause.code === "EADDRINUSE" ? "one that is taken" : cause.message;
      reject(
        new UserError(`port: a free one expected, found ${found} (${port}); give another --port, or 0 for any`, {
          cause,
        }),
      );
    });
    server.listen(port, ADDRESS, () => resolve((server.address() as { port: number }).port));
  });
}
