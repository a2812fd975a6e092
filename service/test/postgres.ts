/** A Postgres server of this test's own, from Debian's package; null where there is none. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

export interface Postgres {
  /** A database of its own. */
  create(name: string): Promise<string>;
  /** Ends it as a crash would, every connection with it, and starts it again, after so long, on what it had on disk. */
  restart(awayMs?: number): Promise<void>;
  end(): Promise<void>;
  /** Of the process that all others of the server come from. */
  pid(): number;
}

const INSTALLED = "/usr/lib/postgresql";
/** Postgres does not run as root; Debian's "nobody". */
const NOBODY = 65534;

function binaries(): string | null {
  const release = existsSync(INSTALLED) ? readdirSync(INSTALLED).sort().at(-1) : undefined;
  return release ? join(INSTALLED, release, "bin") : null;
}

export const hasPostgres = binaries() !== null;
if (!hasPostgres) process.stderr.write("no PostgreSQL here (Debian: postgresql): its tests are skipped\n");

/** @param settings as in `postgresql.conf`, "max_connections=500" */
export async function startPostgres(settings: readonly string[] = []): Promise<Postgres> {
  const bin = binaries()!;
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-postgres-"));
  const isRoot = process.getuid?.() === 0;
  const who = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const data = join(folder, "data");
  const init = ["-D", data, "-U", "test", "--auth=trust", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin, "initdb"), init, { ...who, stdio: "ignore", cwd: folder });
  const port = await freePort();
  const options = ["-D", data, "-p", String(port), "-k", folder];
  for (const one of ["listen_addresses=127.0.0.1", ...settings]) options.push("-c", one);
  const start = (): ChildProcess => spawn(join(bin, "postgres"), options, { ...who, stdio: "ignore", cwd: folder });
  let server = start();
  const address = (database: string): string => `postgres://test@127.0.0.1:${port}/${database}`;
  await answering(address("postgres"));
  return {
    async create(name) {
      const client = new pg.Client(address("postgres"));
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return address(name);
    },
    pid: () => server.pid!,
    async restart(awayMs = 0) {
      const exit = once(server, "exit");
      server.kill("SIGQUIT"); // nothing is flushed: it recovers from its log
      await exit;
      await sleep(awayMs);
      server = start();
      await answering(address("postgres"));
    },
    async end() {
      const exit = once(server, "exit");
      server.kill("SIGINT"); // ends it at once, whoever is connected
      await exit;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function answering(address: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const client = new pg.Client(address);
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (attempt === 300) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
