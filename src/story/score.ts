/** Bulk scoring: the work of a shard, and what all shards say together. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ListedPictures, openListedPictures, readListPart } from "../dataset/picture-list.ts";
import { UserError } from "../errors.ts";
import { putInPlace, writeParts } from "../files/large.ts";
import { LIMIT_TEXT, readFile } from "../files/reader.ts";
import { sha256 } from "../files/sha256.ts";
import { readInFolder } from "../files/writer.ts";
import { AdaptiveClassifier } from "../inference/adaptive-classifier.ts";
import { type Score, scorePictures } from "../inference/scoring.ts";
import { modelFolder } from "../model/bundled.ts";
import { loadModel } from "../model/model-folder.ts";
import { createNodeRuntime } from "../runtime/node.ts";
import { VERSION } from "../version.ts";
import type { Job, Work } from "./jobs.ts";
import { LIST, type ScorePlan, type ShardInput, shardFile, shardInput } from "./score-plan.ts";

/** What a model folder is known by: `model.json` names the digests of the files beside it, which are checked when it is loaded. */
export async function modelDigest(model: string): Promise<string> {
  const bytes = await readInFolder(modelFolder(model), "model.json", { limitBytes: LIMIT_TEXT });
  if (!bytes) throw new UserError(`model: a model folder expected at ${model}, found no model.json; check the path`);
  return sha256(bytes);
}

/** What a process that does shards keeps from one to the next. */
export interface Scorer {
  readonly work: Work;
  close(): Promise<void>;
}

/**
 * One thread computes, so that the same pictures give the same bytes on one core and on many; decoding has threads of its own.
 *
 * @param scratchFolder where archives are unpacked that cannot be read at random
 */
export function createScorer(scratchFolder: string): Scorer {
  let classifier: { key: string; value: AdaptiveClassifier<never> } | null = null;
  let pictures: { key: string; value: ListedPictures } | null = null;
  const classifierOf = async ({ model, modelSha256, lambda }: ShardInput): Promise<AdaptiveClassifier<never>> => {
    const key = `${modelSha256} ${model} ${lambda}`;
    if (classifier?.key === key) return classifier.value;
    await classifier?.value.close();
    classifier = null;
    const found = await modelDigest(model);
    if (found !== modelSha256)
      throw new UserError(
        `${model}: the model with SHA-256 ${modelSha256.slice(0, 12)}... expected, found ${found.slice(0, 12)}...; give the same model`,
      );
    const value = await AdaptiveClassifier.create<never>(
      createNodeRuntime({ threads: 1 }),
      await loadModel(model),
      () => Promise.reject(new TypeError("score: pixels expected, found a picture")),
      { lambda, lazy: true },
    );
    classifier = { key, value };
    return value;
  };
  const picturesOf = async ({ data }: ShardInput): Promise<ListedPictures> => {
    if (pictures?.key === data) return pictures.value;
    await pictures?.value.close();
    pictures = { key: data, value: await openListedPictures(data, scratchFolder) };
    return pictures.value;
  };
  return {
    async work(job, { signal }) {
      const input = parseInput(job);
      const { out, shard, shards } = input;
      if (existsSync(join(out, shardFile(shard, shards)))) return; // somebody was faster
      await writeShard(input, await classifierOf(input), await picturesOf(input), signal);
    },
    async close() {
      await Promise.all([classifier?.value.close(), pictures?.value.close()]);
    },
  };
}

/** Makes one, works with it and closes it. */
export async function withScorer<T>(scratchFolder: string, use: (scorer: Scorer) => Promise<T>): Promise<T> {
  const scorer = createScorer(scratchFolder);
  try {
    return await use(scorer);
  } finally {
    await scorer.close();
  }
}

function parseInput(job: Job): ShardInput {
  const parsed = shardInput.safeParse(job.input);
  if (!parsed.success)
    throw new UserError(
      `${job.name}: a shard's job expected, found ${parsed.error.issues[0]!.message}; hand it out again`,
    );
  const { version } = parsed.data;
  if (version === VERSION) return parsed.data;
  throw new UserError(
    `${job.name}: a job of version ${VERSION} expected, found one of ${version}; use workers of that version`,
  );
}

async function writeShard(
  input: ShardInput,
  classifier: AdaptiveClassifier<never>,
  pictures: ListedPictures,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = join(input.out, shardFile(input.shard, input.shards));
  const listed = readListPart(join(input.out, LIST), input.part);
  await pictures.check(listed[0]!, input.part);
  const part = `${path}.${randomUUID()}.part`;
  const writer = writeParts(part);
  let isWritten = false;
  try {
    const toScore = listed.map((one) => ({ path: one.path, read: () => pictures.read(one) }));
    for await (const scores of scorePictures(classifier, toScore, signal))
      writer.write(new TextEncoder().encode(scores.map((score) => `${JSON.stringify(score)}\n`).join("")));
    writer.flush();
    isWritten = true;
  } finally {
    writer.close();
    if (!isWritten) await rm(part, { force: true });
  }
  await putInPlace(part, path).catch((error) => {
    if (!existsSync(path)) throw error; // somebody was faster, and has cleaned up
  });
}

/** What all shards that are there say together. */
export interface ScoreTotals {
  readonly pictures: number;
  /** Those that cannot be read. */
  readonly broken: number;
  readonly shards: { readonly done: number; readonly of: number };
  /** [E] */
  readonly exits: readonly { readonly exit: number; readonly pictures: number; readonly share: number }[];
  readonly costMacs: { readonly mean: number; readonly full: number };
  /** 1 - mean cost / full cost */
  readonly savings: number;
}

/**
 * Reads all shards that are there, and checks that each holds every picture of its part of the list once.
 *
 * @param fullMacs what the network costs without exits
 * @throws {UserError} if a file holds other pictures than it should
 */
export async function scoreTotals(
  out: string,
  { shards }: Pick<ScorePlan, "shards">,
  { exits, fullMacs }: { readonly exits: number; readonly fullMacs: number },
): Promise<ScoreTotals> {
  const left = new Array<number>(exits).fill(0);
  let [cost, broken, done] = [0, 0, 0];
  for (const [i, part] of shards.entries()) {
    const path = join(out, shardFile(i + 1, shards.length));
    if (!existsSync(path)) continue;
    done++;
    const lines = new TextDecoder().decode(await readFile(path)).split("\n");
    const listed = readListPart(join(out, LIST), part);
    const scores = lines.slice(0, -1).map((line) => JSON.parse(line) as Score);
    const wrong = listed.findIndex((one, at) => scores[at]?.path !== one.path);
    if (wrong >= 0 || scores.length !== listed.length || lines.at(-1) !== "")
      throw new UserError(
        `${path}: the ${listed.length} pictures of its part of ${LIST} expected, each once, found others in line ` +
          `${wrong < 0 ? listed.length + 1 : wrong + 1}; remove the file and run it again`,
      );
    for (const score of scores)
      if ("error" in score) broken++;
      else {
        left[score.exit - 1]!++;
        cost += score.costMacs;
      }
  }
  const answered = left.reduce((sum, count) => sum + count, 0);
  const mean = answered === 0 ? 0 : cost / answered;
  return {
    pictures: answered + broken,
    broken,
    shards: { done, of: shards.length },
    exits: left.map((pictures, i) => ({ exit: i + 1, pictures, share: answered === 0 ? 0 : pictures / answered })),
    costMacs: { mean, full: fullMacs },
    savings: answered === 0 ? 0 : 1 - mean / fullMacs,
  };
}

/** Takes away what workers left that were killed in the middle of a shard which another one has done since. */
export async function removeScraps(out: string): Promise<void> {
  for (const name of await readdir(out)) {
    const whole = /^(shard-\d+-of-\d+\.jsonl|pictures\.jsonl)\.[0-9a-f-]{36}\.part$/.exec(name)?.[1];
    if (whole && existsSync(join(out, whole))) await rm(join(out, name), { force: true });
  }
}
