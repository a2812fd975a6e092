/** `earlyexit serve` with the service's package beside it; scripts/check-package.mjs tries it without. */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test, vi } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
const COMMAND = join(root, "dist/cli/main.js");
const MODEL = join(root, "models/shapes");
vi.setConfig({ testTimeout: 240_000 }); // several processes each, on a machine that may do much else

test("it answers, and ends with exit code 0 at SIGTERM", async () => {
  const server = spawn(process.execPath, [COMMAND, "serve", "--model", MODEL, "--port", "0"]);
  let told = "";
  const url = await new Promise<string>((resolve, reject) => {
    server.stdout.setEncoding("utf8").on("data", (text: string) => {
      told += text;
      const found = /^(http:\S+)\n/.exec(told)?.[1];
      if (found) resolve(found);
    });
    server.once("exit", (code) => reject(new Error(`serve ended with exit code ${code}`)));
  });
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  expect(await ended).toBe(0);
});

const ask = (...args: string[]) => spawnSync(process.execPath, [COMMAND, "serve", ...args], { encoding: "utf8" });

test("its mistakes are told in one line", () => {
  expect(ask()).toMatchObject({ status: 2, stderr: expect.stringMatching(/^earlyexit: serve: --model DIR .*\n$/) });
  expect(ask("--model", MODEL, "--port", "x")).toMatchObject({ status: 2, stderr: expect.stringContaining("--port") });
});

test("unknown options are told, help is given", () => {
  expect(ask("--nothing")).toMatchObject({ status: 2, stderr: expect.stringContaining("--nothing") });
  expect(ask("--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("--model DIR") });
});
