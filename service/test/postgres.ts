/** A Postgres server of this test's own, from Debian's package; null where there is none. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

export interface Postgres {
  /** A database of its own. */
  create(name: string): Promise<string>;
  end(): Promise<void>;
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

export async function startPostgres(): Promise<Postgres> {
  const bin = binaries()!;
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-postgres-"));
  const isRoot = process.getuid?.() === 0;
  const who = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const data = join(folder, "data");
  const init = ["-D", data, "-U", "test", "--auth=trust", "--encoding=UTF8", "--locale=C"];
  execFileSync(join(bin, "initdb"), init, { ...who, stdio: "ignore", cwd: folder });
  const port = await freePort();
  const options = ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", folder];
  const server = spawn(join(bin, "postgres"), options, { ...who, stdio: "ignore", cwd: folder });
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
