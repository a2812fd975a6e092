/** The service's own package, which is there or not; nothing here depends on it. */
import { UserError } from "../errors.ts";
import type { JobQueue } from "../story/jobs.ts";

const SERVICE = "@earlyexit/server";

interface Service {
  /** This and the next run until they are done or stopped. */
  serveCommand(args: readonly string[]): Promise<void>;
  modelsCommand(args: readonly string[]): Promise<void>;
}

/** Loaded by itself: it starts in half the time. */
interface Queues {
  openJobQueue(address: string): Promise<JobQueue>;
}

/** @param command for the message. @throws {UserError} if the package is not installed */
export function loadService(command: string): Promise<Service> {
  return load(SERVICE, command);
}

async function load<T>(part: string, command: string): Promise<T> {
  try {
    return await import(part);
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND")) throw cause;
    if (!cause.message.includes(`'${SERVICE}'`)) throw cause;
    throw new UserError(
      `${command}: the package ${SERVICE} expected, found none; install it beside this one: npm install ${SERVICE}`,
      { cause },
    );
  }
}

/** Opens a queue, works with it and closes it. @throws {UserError} if the package is not installed, or nobody answers at the address */
export async function withQueue<T>(
  command: string,
  address: string,
  work: (queue: JobQueue) => Promise<T>,
): Promise<T> {
  const { openJobQueue } = await load<Queues>(`${SERVICE}/queue`, `${command} --queue`);
  const queue = await openJobQueue(address);
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}
