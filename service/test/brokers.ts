/** Redis and Postgres as the system has them, each a process of its own in a folder that goes away. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasPostgres, startPostgres } from "./postgres.ts";

export interface TestBroker {
  readonly address: string;
  pid(): number;
  /** Ends it as a crash would (Redis: kill -9) and starts it again, after so long, on what it had on disk. */
  restart(awayMs?: number): Promise<void>;
  stop(): Promise<void>;
}

interface Kind {
  readonly name: string;
  /** null: not installed. */
  readonly start: ((postgresSettings?: readonly string[]) => Promise<TestBroker>) | null;
}

export function brokers(): Kind[] {
  const redis = spawnSync("redis-server", ["--version"]).status === 0;
  const kinds: Kind[] = [
    { name: "Redis", start: redis ? startRedis : null },
    { name: "Postgres", start: hasPostgres ? onPostgres : null },
  ];
  if (!redis) process.stderr.write("no Redis here (Debian: redis-server): its tests are skipped\n");
  return kinds;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((ready) => server.once("listening", ready));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const isThere = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.end());
    });
    if (isThere) return;
    if (tries > 300) throw new Error(`nobody listens at ${port}`);
    await sleep(100);
  }
}

const gone = (child: ChildProcess): Promise<unknown> =>
  child.exitCode === null && child.signalCode === null
    ? new Promise((end) => child.once("exit", end))
    : Promise.resolve();

/** With a password and every command on disk before it is answered. */
async function startRedis(): Promise<TestBroker> {
  return redisIn(mkdtempSync(join(tmpdir(), "earlyexit-redis-")), "redis", (port) => ["--port", port]);
}

/** Encrypted connections alone; `certificate` is the file that says whom to trust. */
export async function startSecuredRedis(): Promise<TestBroker & { certificate: string }> {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-redis-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2"];
  execFileSync("openssl", [...made, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], {
    stdio: "ignore",
  });
  const files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no"];
  const broker = await redisIn(folder, "rediss", (port) => ["--port", "0", "--tls-port", port, ...files]);
  return { ...broker, certificate };
}

async function redisIn(folder: string, scheme: string, listens: (port: string) => string[]): Promise<TestBroker> {
  const port = await freePort();
  const args = [...listens(String(port)), "--bind", "127.0.0.1", "--dir", folder, "--requirepass", "secret"];
  const start = (): ChildProcess =>
    spawn("redis-server", [...args, "--appendonly", "yes", "--appendfsync", "always", "--save", ""], {
      stdio: "ignore",
    });
  let child = start();
  await listening(port);
  return {
    address: `${scheme}://:secret@127.0.0.1:${port}`,
    pid: () => child.pid!,
    async restart(awayMs = 0) {
      child.kill("SIGKILL");
      await gone(child);
      await sleep(awayMs);
      child = start();
      await listening(port);
    },
    async stop() {
      child.kill("SIGINT");
      await gone(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function onPostgres(settings: readonly string[] = []): Promise<TestBroker> {
  const { create, pid, restart, end } = await startPostgres(settings);
  return { address: await create("jobs"), pid, restart, stop: end };
}
