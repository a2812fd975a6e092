import { UserError } from "../errors.ts";
import type { Model } from "../model/model.ts";
import { type ReadModelOptions, readModel } from "../model/read-model.ts";

export interface FetchOptions extends ReadModelOptions {
  /** The most bytes of one file; default 2 GiB. */
  readonly limitBytes?: number;
  /** A server that sends nothing for so many milliseconds is given up; default 30,000. */
  readonly patienceMs?: number;
}

/**
 * The model in a folder behind an address.
 *
 * @param address of the folder; where there is a page, it may be relative to it
 * @throws {UserError} if a file cannot be fetched, or is not as expected
 */
export function fetchModel(address: string, options: FetchOptions = {}): Promise<Model> {
  const folder = address.replace(/\/+$/, "");
  return readModel((file, size) => fetchFile(`${folder}/${file}`, options, size), folder, options);
}

/** null where there is no such file @param size that it has, where that is known: a server that sends more is given up at once */
async function fetchFile(
  url: string,
  { limitBytes = 2 ** 31, patienceMs = 30_000 }: FetchOptions,
  size = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | null> {
  const controller = new AbortController();
  const giveUp = (): void =>
    controller.abort(
      new UserError(`${url}: an answer within ${patienceMs} ms expected, found none; check the address`),
    );
  let timer = setTimeout(giveUp, patienceMs);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (response.status === 404) return null;
    if (!response.ok)
      throw new UserError(
        `${url}: a file expected, found status ${response.status} ${response.statusText}; check the address`,
      );
    const chunks: Uint8Array[] = [];
    let received = 0;
    for (const reader = response.body?.getReader(); reader; ) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(giveUp, patienceMs);
      received += value.length;
      if (received > size)
        throw new UserError(`${url}: ${size} bytes expected, found more; get the folder again, or check the address`);
      if (received > limitBytes)
        throw new UserError(
          `${url}: at most ${limitBytes} bytes expected, found more; raise limitBytes, or check the address`,
        );
      chunks.push(value);
    }
    return joined(chunks, received);
  } catch (cause) {
    if (!controller.signal.aborted) controller.abort(); // what is still on its way
    const reason: unknown = controller.signal.reason;
    for (const one of [cause, reason]) if (one instanceof UserError) throw one;
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(`${url}: a server that answers expected, found ${found}; check the address`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
