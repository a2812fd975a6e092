/** The same of both stores: what was acknowledged is there, also for who opens it next. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../src/store/open-store.ts";
import type { StoredAnswer, StoredVersion } from "../src/store/store.ts";
import { hasPostgres, type Postgres, startPostgres } from "./postgres.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-store-"));
let postgres: Postgres | null = null;
beforeAll(async () => {
  if (hasPostgres) postgres = await startPostgres();
});
afterAll(async () => {
  await postgres?.end();
  rmSync(folder, { recursive: true, force: true });
});

const STORES = [
  { kind: "libsql", place: async (name: string) => join(folder, name), isHere: true },
  { kind: "postgres", place: (name: string) => postgres!.create(name), isHere: hasPostgres },
];

const LOGITS = Float32Array.of(0.25, -1, 3.5, 2, 1e-7, -8);
const answer = (id: string, logits: Float32Array | null = LOGITS): StoredAnswer => ({
  id,
  at: 1_764_000_000_000,
  model: "m",
  version: "v1",
  network: "n",
  exit: 2,
  classIndex: 1,
  confidence: 0.75,
  price: 0.5,
  latencyMs: 1.5,
  logits,
});
const label = (id: string, classIndex: number) => ({ id, model: "m", classIndex, at: 1_764_000_000_001 });

describe.each(STORES)("$kind", ({ place, isHere }) => {
  test.skipIf(!isHere)("labels find their answers: the newest of each, in their order, from a place on", async () => {
    const store = await openStore(await place("lessons"));
    await store.addLabels([label("b", 0), label("a", 1)]);
    await store.addAnswers([answer("a"), answer("b"), answer("c"), answer("d", null)]);
    await store.addAnswers([answer("a", Float32Array.of(9))]); // known already
    await store.addLabels([label("a", 2), label("c", 1), label("d", 1), label("nobody's", 1)]);
    const all = await store.lessons("m", "n", 0, null);
    expect(all.map(({ id, classIndex }) => [id, classIndex])).toEqual([
      ["b", 0],
      ["a", 2],
      ["c", 1],
    ]);
    expect(all[1]!.logits).toEqual(LOGITS);
    expect(await store.lessons("m", "n", all[0]!.seq, 1)).toMatchObject([{ id: "a" }]);
    expect(await store.countLessons("m", "n", all[0]!.seq)).toBe(2);
    expect(await store.countLessons("m", "another network", 0)).toBe(0);
    const kept = await store.keptAnswers("m", "n", 10);
    expect(kept.map(({ label }) => label?.classIndex).sort()).toEqual([0, 1, 2]); // d has no logits
    expect(kept[0]!.logits).toEqual(LOGITS);
    expect(await store.keptAnswers("m", "n", 2)).toHaveLength(2);
    expect(await store.keptAnswers("m", "another network", 10)).toEqual([]);
    expect(await store.counts()).toEqual({ answers: 4, labels: 5, pictures: 0 });
    await store.close();
  });

  test.skipIf(!isHere)("versions keep their files; the newest comes first, whoever opens the store", async () => {
    const at = await place("versions");
    const store = await openStore(at);
    const files = new Map([["model.json", new TextEncoder().encode("{}")]]);
    const first: StoredVersion = {
      ...{ id: "v1", model: "m", network: "n", parent: null, at: 1, promotedAt: 1, judgement: null, labelsUpTo: 0 },
      files,
    };
    await store.addVersion(first);
    await store.addVersion({ ...first, at: 99 }); // known already
    const judgement = { before: 0.5, after: 0.75 };
    await store.addVersion({ ...first, id: "v2", parent: "v1", at: 2, promotedAt: null, judgement, labelsUpTo: 7 });
    await store.promote("m", "v2", 3);
    await expect(store.promote("m", "v3", 3)).rejects.toThrow("a version v3 of m expected");
    await store.close();
    const again = await openStore(at);
    const { files: _, ...entry } = first;
    const second = { ...entry, id: "v2", parent: "v1", at: 2, promotedAt: 3, judgement, labelsUpTo: 7 };
    expect(await again.versions("m", "n")).toEqual([second, entry]);
    expect(await again.version("m", "v1")).toEqual(first);
    expect(await again.version("m", "none")).toBe(null);
    await again.close();
  });

  test.skipIf(!isHere)("pictures go when their days are over", async () => {
    const store = await openStore(await place("pictures"));
    const bytes = Uint8Array.of(1, 2, 3);
    await store.addPictures([
      { id: "old", at: 10, bytes },
      { id: "new", at: 20, bytes },
    ]);
    await store.dropPictures(15);
    expect(await store.picture("old")).toBe(null);
    expect(await store.picture("new")).toEqual(bytes);
    await store.close();
  });

  test.skipIf(!isHere)("more rows than a statement takes", async () => {
    const store = await openStore(await place("many"));
    await store.addAnswers(Array.from({ length: 1201 }, (_, i) => answer(`a${i}`)));
    expect((await store.counts()).answers).toBe(1201);
    await store.close();
  });
});

test("what cannot be opened is one line", async () => {
  writeFileSync(join(folder, "a file"), "");
  await expect(openStore(join(folder, "a file"))).rejects.toThrow(/--store: a folder that can be written expected/);
  await expect(openStore("postgres://user:secret@127.0.0.1:1/x")).rejects.toThrow(
    /^--store: a Postgres database expected at 127\.0\.0\.1:1, found: .*ECONNREFUSED/,
  );
});
