import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type DownloadProgress, defaultCacheFolder, downloadCifar10 } from "../../src/dataset/download.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "./cifar-files.ts";

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 253));
const md5 = createHash("md5").update(content).digest("hex");

/** A server on this machine, and the `range` headers of the requests that it got. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/archive`, ranges };
}

function sendWhole(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { "content-length": content.length }).end(content);
}

function sendRange(request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "bytes=0-")?.[1]);
  const headers = { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` };
  response.writeHead(206, { ...headers, "content-length": content.length - start }).end(content.subarray(start));
}

async function download(url: string, cacheFolder = temporaryFolder(), expectedMd5 = md5) {
  const progress: DownloadProgress[] = [];
  const onProgress = (step: DownloadProgress) => progress.push(step);
  const outcome = downloadCifar10({ cacheFolder, onProgress, url, md5: expectedMd5 });
  const path = await outcome.catch((error: unknown) => error);
  return { path, progress, part: join(cacheFolder, "cifar-10-binary.tar.gz.part"), cacheFolder };
}

function expectUserError(found: unknown, text: string): void {
  expect(found).toBeInstanceOf(UserError);
  expect((found as UserError).message).toContain(text);
  expect((found as UserError).message).not.toContain("\n");
}

describe("downloadCifar10", () => {
  test("writes the archive, reports progress, and asks no server the second time", async () => {
    const { url, ranges } = await serve(sendWhole);
    const { path, progress, cacheFolder, part } = await download(url, join(temporaryFolder(), "new", "cache"));
    expect(path).toBe(join(cacheFolder, "cifar-10-binary.tar.gz"));
    expect(readFileSync(path as string).equals(content)).toBe(true);
    expect(progress.at(-1)).toEqual({ received: content.length, total: content.length });
    expect(existsSync(part)).toBe(false);
    expect((await download(url, cacheFolder)).path).toBe(path);
    expect(ranges).toEqual([undefined]);
  });

  test("a download that broke off continues where it stopped", async () => {
    let isFirst = true;
    const { url, ranges } = await serve((request, response) => {
      if (!isFirst) return sendRange(request, response);
      isFirst = false;
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
    });
    const broken = await download(url);
    expectUserError(broken.path, "use --data with a local copy");
    expect(readFileSync(broken.part).equals(content.subarray(0, 100_000))).toBe(true);

    const { path, progress } = await download(url, broken.cacheFolder);
    expect(readFileSync(path as string).equals(content)).toBe(true);
    expect(ranges).toEqual([undefined, "bytes=100000-"]);
    expect(progress[0]!.received).toBeGreaterThan(100_000);
    expect(progress.at(-1)).toEqual({ received: content.length, total: content.length });
  });

  test("starts again where the server cannot continue", async () => {
    const { url, ranges } = await serve(sendWhole);
    const cacheFolder = temporaryFolder();
    writeFileSync(join(cacheFolder, "cifar-10-binary.tar.gz.part"), "an older beginning");
    const { path } = await download(url, cacheFolder);
    expect(readFileSync(path as string).equals(content)).toBe(true);
    expect(ranges).toEqual(["bytes=18-"]);
  });

  test("a whole part that was only not renamed yet needs no more bytes", async () => {
    const { url } = await serve((_, response) => void response.writeHead(416).end());
    const cacheFolder = temporaryFolder();
    writeFileSync(join(cacheFolder, "cifar-10-binary.tar.gz.part"), content);
    expect(readFileSync((await download(url, cacheFolder)).path as string).equals(content)).toBe(true);
  });

  test("a wrong MD5 deletes what came, and nothing is taken for the archive", async () => {
    const { url } = await serve(sendWhole);
    const { path, part, cacheFolder } = await download(url, temporaryFolder(), "0".repeat(32));
    expectUserError(path, `expected MD5 ${"0".repeat(32)} of ${url}, found ${md5}`);
    expect(existsSync(part)).toBe(false);
    expect(existsSync(join(cacheFolder, "cifar-10-binary.tar.gz"))).toBe(false);
  });

  test("a server that refuses, and none at all", async () => {
    const { url } = await serve((_, response) => void response.writeHead(404).end("not here"));
    expectUserError((await download(url)).path, `expected ${url}, found HTTP status 404`);
    expectUserError((await download("http://127.0.0.1:1/")).path, "use --data with a local copy");
  });

  test("a cache folder that cannot be made", async () => {
    const { url } = await serve(sendWhole);
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expectUserError((await download(url, join(file, "cache"))).path, "ENOTDIR");
  });
});

test("the cache folder follows XDG_CACHE_HOME", () => {
  const before = process.env.XDG_CACHE_HOME;
  onTestFinished(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  });
  process.env.XDG_CACHE_HOME = "/somewhere";
  expect(defaultCacheFolder()).toBe(join("/somewhere", "earlyexit"));
  delete process.env.XDG_CACHE_HOME;
  expect(defaultCacheFolder()).toMatch(/\.cache.earlyexit$/);
});
