import { UserError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import { readModel } from "../model/read-model.ts";

/**
 * The model in a folder behind an address.
 *
 * @param address of the folder; where there is a page, it may be relative to it
 * @throws {UserError} if a file cannot be fetched, or is not as expected
 */
export function fetchModel(address: string): Promise<Model> {
  const folder = address.replace(/\/+$/, "");
  return readModel((file) => fetchFile(`${folder}/${file}`), folder);
}

/** null where there is no such file */
async function fetchFile(url: string): Promise<Uint8Array | null> {
  const response = await fetch(url).catch((cause: Error) => {
    throw new UserError(`${url}: a server that answers expected, found ${cause.message}; check the address`, { cause });
  });
  if (response.status === 404) return null;
  if (!response.ok)
    throw new UserError(
      `${url}: a file expected, found status ${response.status} ${response.statusText}; check the address`,
    );
  return new Uint8Array(await response.arrayBuffer());
}
