/**
 * Which version of a model is to answer: what the folder holds, or, with a store, the one that was promoted last. A folder with
 * something new in it counts as promoted when it is first seen.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyModel, loadModel, modelDigest, readModelFile } from "earlyexit";
import type { Store } from "./store/store.ts";

export interface Version {
  /** The first 12 hexadecimal digits of model.json's SHA-256, which vouches for the other files. */
  readonly id: string;
  readonly folder: string;
}

export interface VersionSource {
  current(): Promise<Version>;
  /** A version that is in the store, as a model folder. */
  folderOf(id: string): Promise<string>;
  close(): Promise<void>;
}

/** Files of a model folder that are the policy's; the others are the network's, the same in all versions. */
export const POLICY_FILES = ["model.json", "policy.safetensors", "validation.safetensors"];

export function folderSource(folder: string): VersionSource {
  return {
    current: async () => ({ id: await versionOf(folder), folder }),
    folderOf: async () => folder, // there are no others without a store
    close: async () => undefined,
  };
}

export async function storeSource(store: Store, name: string, folder: string): Promise<VersionSource> {
  const work = await mkdtemp(join(tmpdir(), "earlyexit-versions-"));
  const written = new Set<string>();
  let known: { readonly id: string; readonly network: string } | null = null;

  async function folderOf(id: string): Promise<string> {
    const path = join(work, id);
    if (!written.has(id)) await copyModel(folder, path, (await store.version(name, id))!.files);
    written.add(id);
    return path;
  }

  return {
    async current() {
      const id = await versionOf(folder);
      if (known?.id !== id) known = { id, network: await addFolder(store, name, folder, id) };
      const { network } = known;
      const entries = await store.versions(name, network);
      const live = entries.reduce((best, one) => ((one.promotedAt ?? 0) > (best.promotedAt ?? 0) ? one : best));
      if (live.id === id) return { id, folder };
      return { id: live.id, folder: await folderOf(live.id) };
    },
    folderOf,
    close: () => rm(work, { recursive: true, force: true }),
  };
}

/** @returns SHA-256 of the network */
async function addFolder(store: Store, name: string, folder: string, id: string): Promise<string> {
  const { network } = await loadModel(folder);
  const isKnown = (await store.versions(name, network.sha256)).some((one) => one.id === id);
  if (isKnown) return network.sha256;
  const at = Date.now();
  const files = await policyFiles(folder);
  const about = { id, model: name, network: network.sha256, parent: null, judgement: null, labelsUpTo: 0 };
  await store.addVersion({ ...about, at, promotedAt: at, files });
  return network.sha256;
}

export async function policyFiles(folder: string): Promise<Map<string, Uint8Array>> {
  const files = POLICY_FILES.map(async (file) => [file, await readModelFile(folder, file)] as const);
  return new Map((await Promise.all(files)).flatMap(([file, bytes]) => (bytes ? [[file, bytes] as const] : [])));
}

/** @throws {UserError} if there is no model in it */
export async function versionOf(folder: string): Promise<string> {
  return (await modelDigest(folder)).slice(0, 12);
}
