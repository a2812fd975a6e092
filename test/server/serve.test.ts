/** The server on a socket. */
import { existsSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { type RunningServer, serve } from "../../src/server/serve.ts";

const isBuilt = existsSync(new URL("../../dist/page/index.html", import.meta.url));

describe.skipIf(!isBuilt)("on a socket", () => {
  let server: RunningServer;
  let port: number;

  beforeAll(async () => {
    server = await serve({ models: [], run: null, port: 0 });
    port = Number(new URL(server.url).port);
  });

  afterAll(() => server?.close());

  /** A path as it is, which `fetch` would tidy first. */
  function rawStatus(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path }, (response) => {
        response.resume();
        resolve(response.statusCode!);
      })
        .on("error", reject)
        .end();
    });
  }

  test("the page, under both names of this computer", async () => {
    for (const name of ["127.0.0.1", "localhost"]) {
      const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: `${name}:${port}` } });
      expect(response.status).toBe(200);
      expect(await response.text()).toContain("<title>earlyexit</title>");
    }
  });

  test.each([
    "/../package.json",
    "/../../package.json",
    "/assets/../../cli/main.js",
    "/%2e%2e/index.js",
    "/..%2findex.js",
  ])("a path out of the page: %s", async (path) => {
    expect(await rawStatus(path)).toBe(404);
  });

  test("no other computer reaches it", async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((one) => one ?? [])
      .filter(({ family, internal }) => family === "IPv4" && !internal);
    for (const { address } of others) {
      const outcome = await new Promise((resolve) => {
        const socket = connect({ host: address, port });
        socket.on("connect", () => resolve("connected")).on("error", () => resolve("refused"));
      });
      expect(outcome).toBe("refused");
    }
  });

  test("a port that is taken", async () => {
    await expect(serve({ models: [], run: null, port })).rejects.toThrow(UserError);
    await expect(serve({ models: [], run: null, port })).rejects.toThrow(
      /port: a free one expected, found one that is taken/,
    );
  });
});
