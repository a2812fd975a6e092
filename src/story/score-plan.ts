/**
 * A folder of scores: what is to be done, cut into shards, each of which any process can do alone.
 *
 *     plan.json                        model, lambda, and where each shard's pictures are listed
 *     pictures.jsonl                   the list (dataset/picture-list.ts)
 *     shard-00012-of-00200.jsonl       one line per picture, written once and renamed
 */
import { join } from "node:path";
import { z } from "zod";
import { type ListPart, listDigest, writePictureList } from "../dataset/picture-list.ts";
import { UserError } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { LIMIT_TEXT, readFileIfThere } from "../files/reader.ts";
import { replaceFile } from "../files/writer.ts";
import { VERSION } from "../version.ts";
import { type Job, jobOf } from "./jobs.ts";

const PLAN = "plan.json";
export const LIST = "pictures.jsonl";

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const listPart = z.object({
  offset: z.int().min(0),
  bytes: z.int().min(1),
  pictures: z.int().min(1),
  sha256: digest,
  firstSha256: digest,
});

const planSchema = z.object({
  version: z.string(),
  model: digest,
  lambda: z.number().min(0),
  shardSize: z.int().min(1),
  pictures: z.int().min(1),
  list: digest,
  shards: z.array(listPart).min(1),
});
export type ScorePlan = z.output<typeof planSchema>;

/** What a shard's job says; plain data. */
export const shardInput = z.object({
  version: z.string(),
  /** Folders, as every worker sees them. */
  model: z.string(),
  data: z.string(),
  out: z.string(),
  /** Of the model that is expected there. */
  modelSha256: digest,
  lambda: z.number().min(0),
  /** 1..shards */
  shard: z.int().min(1),
  shards: z.int().min(1),
  part: listPart,
});
export type ShardInput = z.output<typeof shardInput>;

export interface PlanOptions {
  readonly data: string;
  readonly out: string;
  /** Of the model. */
  readonly modelSha256: string;
  readonly lambda: number;
  /** Pictures in a shard. */
  readonly shardSize: number;
  readonly scratchFolder: string;
  readonly onPicture?: (done: number, total: number) => void;
}

/**
 * The plan in a folder, or a new one: pictures are listed once.
 *
 * @param options.out a folder that is there
 * @throws {UserError} if the folder was begun with something else, or there are no pictures
 */
export async function planScore(options: PlanOptions): Promise<{ plan: ScorePlan; isBegun: boolean }> {
  const { data, out, modelSha256: model, lambda, shardSize, ...listing } = options;
  const asked = { version: VERSION, model, lambda, shardSize };
  const begun = await readPlan(out);
  if (begun) {
    checkSame(begun, asked, out);
    return { plan: begun, isBegun: true };
  }
  const shards = await writePictureList(data, join(out, LIST), shardSize, listing);
  const pictures = shards.reduce((sum, part) => sum + part.pictures, 0);
  const plan: ScorePlan = { ...asked, pictures, list: listDigest(shards), shards };
  await replaceFile(join(out, PLAN), `${JSON.stringify(plan)}\n`);
  return { plan, isBegun: false };
}

/** null where none was begun. @throws {UserError} if it is none of ours */
async function readPlan(out: string): Promise<ScorePlan | null> {
  const path = join(out, PLAN);
  const bytes = await readFileIfThere(path, { limitBytes: LIMIT_TEXT });
  if (!bytes) return null;
  const parsed = planSchema.safeParse(parseJson(bytes, path));
  if (parsed.success) return parsed.data;
  const { path: at, message } = parsed.error.issues[0]!;
  throw new UserError(
    `${path}: a plan of 'earlyexit score' expected, found at ${at.join(".") || "the top"}: ${message}; give another --out`,
  );
}

function checkSame(
  begun: ScorePlan,
  asked: Pick<ScorePlan, "version" | "model" | "lambda" | "shardSize">,
  out: string,
): void {
  const words = {
    version: "version",
    model: "model (SHA-256)",
    lambda: "--lambda",
    shardSize: "--shard-size",
  } as const;
  for (const name of ["version", "model", "lambda", "shardSize"] as const)
    if (begun[name] !== asked[name])
      throw new UserError(
        `${out}: ${words[name]} ${begun[name]} expected, which it was begun with, found ${asked[name]}; give the same, or another --out`,
      );
}

export function shardFile(shard: number, shards: number): string {
  const width = Math.max(5, String(shards).length);
  const digits = (n: number): string => String(n).padStart(width, "0");
  return `shard-${digits(shard)}-of-${digits(shards)}.jsonl`;
}

/** One job per shard. */
export function shardJobs(
  plan: ScorePlan,
  places: { readonly model: string; readonly data: string; readonly out: string },
): Job[] {
  const { version, model: modelSha256, lambda, shards } = plan;
  return shards.map((part: ListPart, i) => {
    const input: ShardInput = { version, ...places, modelSha256, lambda, shard: i + 1, shards: shards.length, part };
    return jobOf("score", shardFile(i + 1, shards.length), input);
  });
}
