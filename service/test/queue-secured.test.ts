/** A Redis that wants a password and speaks TLS alone, as the command sees it; the certificate is made here and signed by nobody else. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { brokers, startSecuredRedis } from "./brokers.ts";

const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const hasRedis = brokers().some(({ name, start }) => name === "Redis" && start);
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const isReady = hasRedis && hasOpenssl && existsSync(COMMAND);
if (!isReady) console.warn("secured queue: skipped, redis-server, openssl and a built command are needed");

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function jobs(address: string, env: Record<string, string> = {}): Promise<Said> {
  const child = spawn(process.execPath, [COMMAND, "jobs", "list"], {
    env: { ...process.env, EARLYEXIT_QUEUE: address, ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (part) => {
    stdout += part;
  });
  child.stderr.on("data", (part) => {
    stderr += part;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}

describe.skipIf(!isReady)("rediss://", () => {
  let broker: Awaited<ReturnType<typeof startSecuredRedis>>;
  let trusted: Record<string, string>;
  beforeAll(async () => {
    broker = await startSecuredRedis();
    trusted = { NODE_EXTRA_CA_CERTS: broker.certificate };
  });
  afterAll(() => broker.stop());

  test("with the password and a certificate that is trusted, the queue answers", async () => {
    expect(await jobs(broker.address, trusted)).toEqual({ code: 0, stdout: "no jobs\n", stderr: "" });
  });

  test("a certificate of nobody, a wrong password, none, no TLS: each one line, without the password", async () => {
    const place = new URL(broker.address).host;
    const said = await Promise.all([
      jobs(broker.address),
      jobs(broker.address.replace("secret", "hidden"), trusted),
      jobs(broker.address.replace(":secret@", ""), trusted),
      jobs(broker.address.replace("rediss:", "redis:")),
    ]);
    const words = [/self-signed certificate/i, /WRONGPASS/, /NOAUTH/, /closed|hang up|ECONNRESET/i];
    for (const [i, { code, stdout, stderr }] of said.entries()) {
      expect({ code, stdout, lines: stderr.trimEnd().split("\n").length, stderr }).toMatchObject({
        code: 2,
        stdout: "",
        lines: 1,
      });
      expect(stderr).toContain(`${i === 3 ? "redis" : "rediss"}://${place}, found none that answers (`);
      expect(stderr).toMatch(words[i]!);
      expect(stderr).not.toMatch(/secret|hidden/);
    }
  });
});
