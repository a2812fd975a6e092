/** The queue as the command line sees it. */
import { type JobQueue, type JobState, UserError } from "earlyexit";
import { type Broker, type BrokerJob, openBroker } from "./broker.ts";
import { queueHandOut } from "./queue-hand-out.ts";
import { workOnQueue } from "./queue-work.ts";

/** What BullMQ calls them. */
const STATES = {
  working: ["active"],
  waiting: ["waiting", "delayed", "prioritized"],
  failed: ["failed"],
  done: ["completed"],
} as const;

/**
 * Opens a queue at `redis://`, `rediss://` or `postgres://`; tables or keys are made where there are none. Close it.
 *
 * @throws {UserError} if nobody answers there
 */
export async function openJobQueue(address: string): Promise<JobQueue> {
  const broker = await openBroker(address);
  return {
    handOut: queueHandOut(broker),
    work: (works, options) => workOnQueue(broker, works, options),
    list: (limit) => listJobs(broker, limit),
    async logs(id) {
      const job = await jobOf(broker, id);
      return (await broker.queue.getJobLogs(job.id!)).logs;
    },
    cancel: (id) => cancelJob(broker, id),
    async retry(id) {
      const job = await jobOf(broker, id);
      const state = await job.getState();
      if (state !== "failed")
        throw new UserError(`jobs: a failed job expected, found that ${id} is ${state}; leave it`);
      await job.updateData({ kind: job.data.kind, name: job.data.name, input: job.data.input });
      await job.retry("failed", { resetAttemptsMade: true });
    },
    close: broker.close,
  };
}

async function listJobs({ queue }: Broker, limit: number): Promise<JobState[]> {
  const lists = await Promise.all(
    Object.entries(STATES).map(async ([state, names]) => {
      const jobs = await queue.getJobs([...names], 0, limit - 1);
      return jobs.flatMap((job) => (job ? stateOf(job, state as JobState["state"]) : []));
    }),
  );
  return lists.flat();
}

function stateOf({ id, data, attemptsStarted, failedReason }: BrokerJob, state: JobState["state"]): JobState {
  const { kind, name } = data;
  return { id: id!, kind, name, state, attempts: attemptsStarted, ...(failedReason ? { reason: failedReason } : {}) };
}

/** @param id or enough of its beginning to tell it from others */
async function jobOf({ queue }: Broker, id: string): Promise<BrokerJob> {
  const job = await queue.getJob(id);
  if (job) return job;
  const all = await queue.getJobs(Object.values(STATES).flat());
  const fitting = id.length < 4 ? [] : all.filter((one) => one?.id?.startsWith(id));
  if (fitting.length === 1) return fitting[0]!;
  throw new UserError(
    `jobs: the id of a job expected, or its first letters, found ${id}, which fits ${fitting.length}; see 'earlyexit jobs list'`,
  );
}

async function cancelJob(broker: Broker, id: string): Promise<void> {
  const job = await jobOf(broker, id);
  const state = await job.getState();
  if (state === "completed" || state === "failed")
    throw new UserError(`jobs: a job that waits or is worked on expected, found that ${id} is ${state}; leave it`);
  await job.updateData({ ...job.data, isCancelled: true });
  if (state !== "active") await job.remove().catch(() => undefined); // somebody has just begun it: he looks at the mark
}
