/** The embedded store: one file, synchronous (every commit is flushed to the disk), locked by SQLite's own locks. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createClient } from "@libsql/client/sqlite3";
import { migrate } from "drizzle-orm/libsql/migrator";
import { drizzle } from "drizzle-orm/libsql/sqlite3";
import { UserError } from "earlyexit";
import * as tables from "./libsql-tables.ts";
import type { Store } from "./store.ts";
import { tableStore } from "./tables.ts";

const MIGRATIONS = fileURLToPath(new URL("../../migrations/libsql", import.meta.url));
/** How long a write waits for that of another process. */
const BUSY_MS = 10_000;

/** @throws {UserError} if folder or file cannot be opened or written */
export async function openLibsql(folder: string): Promise<Store> {
  try {
    await mkdir(folder, { recursive: true });
    // one connection: what is set for it holds for every statement
    const client = createClient({
      url: pathToFileURL(join(folder, "store.db")).href,
      concurrency: 1,
      timeout: BUSY_MS,
    });
    await client.execute("PRAGMA journal_mode = WAL");
    await client.execute("PRAGMA synchronous = FULL");
    const db = drizzle(client);
    await migrate(db, { migrationsFolder: MIGRATIONS });
    return tableStore(db, tables, async () => client.close());
  } catch (cause) {
    throw new UserError(
      `--store: a folder that can be written expected at ${folder}, found: ${(cause as Error).message}; give another one`,
      { cause },
    );
  }
}
