/** The tables in Postgres; `libsql-tables.ts` has the same ones. After a change: `npm run migrations`. */
import { bigint, bigserial, customType, index, integer, pgTable, real, text } from "drizzle-orm/pg-core";

const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });
const whole = (name: string) => bigint(name, { mode: "number" });

export const answers = pgTable(
  "answers",
  {
    id: text("id").primaryKey(),
    /** Milliseconds since 1970. */
    at: whole("at").notNull(),
    model: text("model").notNull(),
    version: text("version").notNull(),
    /** SHA-256 of the network that said the logits. */
    network: text("network").notNull(),
    /** 1..E */
    exit: integer("exit").notNull(),
    classIndex: integer("class_index").notNull(),
    confidence: real("confidence").notNull(),
    price: real("price").notNull(),
    latencyMs: real("latency_ms").notNull(),
    /** Float32 [E, K], little-endian: what every exit says, those behind the one taken included; null where there was no time for it. */
    logits: bytes("logits"),
  },
  (table) => [index("answers_at").on(table.model, table.at)],
);

export const labels = pgTable("labels", {
  /** Rises. */
  seq: bigserial("seq", { mode: "number" }).primaryKey(),
  /** Of the answer. */
  id: text("id").notNull().unique(),
  model: text("model").notNull(),
  classIndex: integer("class_index").notNull(),
  at: whole("at").notNull(),
});

export const versions = pgTable("versions", {
  seq: bigserial("seq", { mode: "number" }).primaryKey(),
  /** The first 12 hexadecimal digits of the SHA-256 of its model.json. */
  id: text("id").notNull().unique(),
  model: text("model").notNull(),
  network: text("network").notNull(),
  /** The version that it learned on from; null for what a folder held. */
  parent: text("parent"),
  at: whole("at").notNull(),
  /** When it last became the one that answers; null: never. */
  promotedAt: whole("promoted_at"),
  /** JSON: how it and its parent fare on labels that it has not seen; null for what a folder held. */
  judgement: text("judgement"),
  /** The last label that was looked at for it. */
  labelsUpTo: whole("labels_up_to").notNull(),
  /** JSON: the files of its policy in base64, by name; those of the network are where the folder is. */
  files: bytes("files").notNull(),
});

export const pictures = pgTable("pictures", {
  /** Of the answer. */
  id: text("id").primaryKey(),
  at: whole("at").notNull(),
  bytes: bytes("bytes").notNull(),
});
