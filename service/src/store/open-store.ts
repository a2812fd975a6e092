import { openLibsql } from "./libsql.ts";
import { openPostgres } from "./postgres.ts";
import type { Store } from "./store.ts";

/**
 * @param address a folder, made if it is missing, or `postgres://..`
 * @throws {UserError} if it cannot be opened
 */
export function openStore(address: string): Promise<Store> {
  return /^postgres(ql)?:\/\//.test(address) ? openPostgres(address) : openLibsql(address);
}
