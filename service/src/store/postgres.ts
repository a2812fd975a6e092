/** The store on a Postgres server: several services share it. A statement is answered when it is flushed to the server's disk. */
import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import { UserError } from "earlyexit";
import pg from "pg";
import { answers, labels, pictures, versions } from "./postgres-tables.ts";
import type { Store } from "./store.ts";
import { type Database, type Tables, tableStore } from "./tables.ts";

const MIGRATIONS = fileURLToPath(new URL("../../migrations/postgres", import.meta.url));
const CONNECTIONS = 4;
const CONNECT_MS = 10_000;
/** Any number, the same for all that would migrate at once. */
const MIGRATING = 0x0ea71e;

/** @throws {UserError} if there is no such server or database, or it refuses */
export async function openPostgres(url: string): Promise<Store> {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, connectionTimeoutMillis: CONNECT_MS });
  pool.on("error", () => undefined); // a connection that broke while nobody used it; the next query opens another one
  try {
    const one = await pool.connect();
    try {
      // services that start together migrate one after the other
      await one.query("SELECT pg_advisory_lock($1)", [MIGRATING]);
      await migrate(drizzle(one), { migrationsFolder: MIGRATIONS });
      await one.query("SELECT pg_advisory_unlock($1)", [MIGRATING]);
    } finally {
      one.release();
    }
  } catch (cause) {
    await pool.end();
    const { host } = new URL(url); // without the password
    throw new UserError(
      `--store: a Postgres database expected at ${host}, found: ${describe(cause)}; check the address`,
      {
        cause,
      },
    );
  }
  const db = drizzle(pool) as unknown as Database;
  const tables = { answers, labels, pictures, versions } as unknown as Tables;
  return tableStore(db, tables, () => pool.end());
}

/** What refused a connection on several addresses has no message of its own. */
function describe(cause: unknown): string {
  const { message, code } = cause as NodeJS.ErrnoException;
  return message || code || String(cause);
}
