/** What both stores do alike: drizzle's queries have one form in both, only the tables differ. */
import { and, asc, count, desc, eq, gt, inArray, isNotNull, lt, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import type * as libsqlTables from "./libsql-tables.ts";
import type { Store, StoredVersion, VersionEntry } from "./store.ts";

/** Rows of one statement: Postgres takes at most 65,535 parameters. */
const CHUNK = 500;

export type Tables = typeof libsqlTables;
/** Of both; the types are those of libsql. */
export type Database = LibSQLDatabase<Record<string, never>>;

export function tableStore(db: Database, tables: Tables, close: () => Promise<void>): Store {
  const { answers, labels, pictures } = tables;
  const isLesson = (model: string, network: string, after: number) =>
    and(eq(labels.model, model), eq(answers.network, network), gt(labels.seq, after), isNotNull(answers.logits));
  return {
    async addAnswers(rows) {
      for (const chunk of chunksOf(rows))
        await db
          .insert(answers)
          .values(chunk.map((row) => ({ ...row, logits: row.logits && bytesOf(row.logits) })))
          .onConflictDoNothing();
    },
    async addLabels(rows) {
      for (const chunk of chunksOf(rows))
        await db
          .insert(labels)
          .values([...chunk])
          .onConflictDoUpdate({
            target: labels.id,
            set: { classIndex: sql`excluded.class_index`, at: sql`excluded.at` },
          });
    },
    async labelled(ids) {
      let found = 0;
      for (const chunk of chunksOf(ids))
        found += (
          await db
            .select({ value: count() })
            .from(labels)
            .where(inArray(labels.id, [...chunk]))
        )[0]!.value;
      return found;
    },
    async countLessons(model, network, after) {
      const rows = await db
        .select({ value: count() })
        .from(labels)
        .innerJoin(answers, eq(answers.id, labels.id))
        .where(isLesson(model, network, after));
      return rows[0]!.value;
    },
    async lessons(model, network, after, most) {
      const query = db
        .select({ seq: labels.seq, id: labels.id, classIndex: labels.classIndex, logits: answers.logits })
        .from(labels)
        .innerJoin(answers, eq(answers.id, labels.id))
        .where(isLesson(model, network, after))
        .orderBy(asc(labels.seq));
      const rows = await (most === null ? query : query.limit(most));
      return rows.map((row) => ({ ...row, logits: floatsOf(row.logits!) }));
    },
    async keptAnswers(model, network, most) {
      const rows = await db
        .select({ seq: labels.seq, classIndex: labels.classIndex, logits: answers.logits })
        .from(answers)
        .leftJoin(labels, eq(labels.id, answers.id))
        .where(and(eq(answers.model, model), eq(answers.network, network), isNotNull(answers.logits)))
        .orderBy(desc(answers.at))
        .limit(most);
      return rows.map(({ logits, seq, classIndex }) => ({
        logits: floatsOf(logits!),
        label: seq === null || classIndex === null ? null : { seq, classIndex },
      }));
    },
    ...versionStore(db, tables),
    async addPictures(rows) {
      for (const { bytes, ...row } of rows)
        await db
          .insert(pictures)
          .values({ ...row, bytes: Buffer.from(bytes) })
          .onConflictDoNothing();
    },
    async picture(id) {
      const [row] = await db.select().from(pictures).where(eq(pictures.id, id));
      return row ? new Uint8Array(row.bytes) : null;
    },
    async dropPictures(before) {
      await db.delete(pictures).where(lt(pictures.at, before));
    },
    async counts() {
      const of = async (table: typeof answers | typeof labels | typeof pictures) =>
        (await db.select({ value: count() }).from(table))[0]!.value;
      return { answers: await of(answers), labels: await of(labels), pictures: await of(pictures) };
    },
    close,
  };
}

type VersionStore = Pick<Store, "addVersion" | "promote" | "versions" | "version">;

function versionStore(db: Database, { versions }: Tables): VersionStore {
  const one = (model: string, id: string) => and(eq(versions.model, model), eq(versions.id, id));
  const { files: _, ...columns } = columnsOf(versions);
  return {
    async addVersion({ files, judgement, ...row }) {
      const values = { ...row, judgement: JSON.stringify(judgement), files: packed(files) };
      await db.insert(versions).values(values).onConflictDoNothing();
    },
    async promote(model, id, at) {
      const done = await db
        .update(versions)
        .set({ promotedAt: at })
        .where(one(model, id))
        .returning({ id: versions.id });
      if (done.length === 0) throw new Error(`store: a version ${id} of ${model} expected, found none`);
    },
    async versions(model, network) {
      const rows = await db
        .select(columns)
        .from(versions)
        .where(and(eq(versions.model, model), eq(versions.network, network)))
        .orderBy(desc(versions.seq));
      return rows.map(
        ({ seq: _, ...row }): VersionEntry => ({ ...row, judgement: JSON.parse(row.judgement ?? "null") }),
      );
    },
    async version(model, id) {
      const [row] = await db.select().from(versions).where(one(model, id));
      if (!row) return null;
      const { seq: __, ...rest } = row;
      const unpacked: StoredVersion = {
        ...rest,
        judgement: JSON.parse(row.judgement ?? "null"),
        files: filesOf(row.files),
      };
      return unpacked;
    },
  };
}

function columnsOf({
  seq,
  id,
  model,
  network,
  parent,
  at,
  promotedAt,
  judgement,
  labelsUpTo,
  files,
}: Tables["versions"]) {
  return { seq, id, model, network, parent, at, promotedAt, judgement, labelsUpTo, files };
}

function* chunksOf<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < rows.length; from += CHUNK) yield rows.slice(from, from + CHUNK);
}

function bytesOf(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer); // copied, so that it begins at a multiple of 4
}

function packed(files: ReadonlyMap<string, Uint8Array>): Buffer {
  const texts = [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
  return Buffer.from(JSON.stringify(Object.fromEntries(texts)));
}

function filesOf(bytes: Uint8Array): Map<string, Uint8Array> {
  const texts = JSON.parse(Buffer.from(bytes).toString()) as Record<string, string>;
  return new Map(Object.entries(texts).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "base64"))]));
}
