/**
 * What a service keeps: answers, labels, versions of the policy and, only where asked for, pictures. In: rows. Out: rows, and a promise
 * that is kept only when they are safe. `open-store.ts` opens one: `libsql.ts` is a file in a folder, `postgres.ts` a server; `tables.ts` is
 * what both do alike.
 */
export interface StoredAnswer {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly model: string;
  readonly version: string;
  /** SHA-256 of the network. */
  readonly network: string;
  /** 1..E */
  readonly exit: number;
  readonly classIndex: number;
  readonly confidence: number;
  readonly price: number;
  readonly latencyMs: number;
  /** [E, K] what every exit says, those behind the one taken included; null where there was no time for it. */
  readonly logits: Float32Array | null;
}

export interface StoredLabel {
  /** Of the answer. */
  readonly id: string;
  readonly model: string;
  readonly classIndex: number;
  readonly at: number;
}

/** A label whose answer is there with what every exit said: what an agent learns from. */
export interface Lesson {
  /** Of the label; rises. */
  readonly seq: number;
  readonly id: string;
  readonly classIndex: number;
  /** [E, K] */
  readonly logits: Float32Array;
}

/** An answer that is kept with what every exit said, labelled or not. */
export interface KeptAnswer {
  /** [E, K] */
  readonly logits: Float32Array;
  /** null: no label has come. */
  readonly label: { readonly seq: number; readonly classIndex: number } | null;
}

export interface StoredVersion {
  /** The first 12 hexadecimal digits of the SHA-256 of its model.json. */
  readonly id: string;
  readonly model: string;
  readonly network: string;
  /** The version that it learned on from; null for what a folder held. */
  readonly parent: string | null;
  readonly at: number;
  /** When it last became the one that answers; null: never. */
  readonly promotedAt: number | null;
  /** How it and its parent fare on labels that it has not seen; null for what a folder held. */
  readonly judgement: unknown;
  /** The last label that was looked at for it. */
  readonly labelsUpTo: number;
  /** Files of the policy by name; those of the network are where the folder is. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Without its files. */
export type VersionEntry = Omit<StoredVersion, "files">;

export interface Store {
  /** One transaction. */
  addAnswers(rows: readonly StoredAnswer[]): Promise<void>;
  /** Kept when safe on the disk; a later label of the same answer takes the place of the earlier one. */
  addLabels(rows: readonly StoredLabel[]): Promise<void>;
  /** How many of these answers have a label. */
  labelled(ids: readonly string[]): Promise<number>;
  countLessons(model: string, network: string, after: number): Promise<number>;
  /** In the order of their labels. @param most null: all */
  lessons(model: string, network: string, after: number, most: number | null): Promise<Lesson[]>;
  /** The newest first, labelled or not. */
  keptAnswers(model: string, network: string, most: number): Promise<KeptAnswer[]>;
  /** Nothing happens if it is there. */
  addVersion(version: StoredVersion): Promise<void>;
  /** From now on this one answers. @throws {Error} if there is none */
  promote(model: string, id: string, at: number): Promise<void>;
  /** The newest first. */
  versions(model: string, network: string): Promise<VersionEntry[]>;
  version(model: string, id: string): Promise<StoredVersion | null>;
  addPictures(rows: readonly { readonly id: string; readonly at: number; readonly bytes: Uint8Array }[]): Promise<void>;
  picture(id: string): Promise<Uint8Array | null>;
  dropPictures(before: number): Promise<void>;
  /** Rows of each kind. */
  counts(): Promise<{ readonly answers: number; readonly labels: number; readonly pictures: number }>;
  close(): Promise<void>;
}
