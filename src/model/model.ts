/** What a model folder holds, and how it becomes files; `read-model.ts` is the way back. */
import { UserError } from "../errors.ts";
import { encodeTableFile } from "../exits/table-file.ts";
import { encodeSafetensors } from "../files/safetensors.ts";
import { sealed } from "../files/sealed.ts";
import { digestOf } from "../files/sha256.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { FORMAT } from "./format.ts";

/** All that inference and evaluation need: what a model folder holds. */
export interface Model {
  readonly network: StagedNetwork;
  /** null until one was learned: then only fixed exits can be taken */
  readonly policy: LearnedPolicy | null;
  /** What `evaluate --json` printed, if it was evaluated. */
  readonly figures?: unknown;
}

/** A policy for somebody else's network, of which no more is known than an exit table: what a policy folder holds. */
export interface TablePolicy {
  readonly policy: LearnedPolicy;
  /** The table that it was learned from. */
  readonly dataset: { readonly name: string; readonly sha256: string };
  /** Of the learning and of the split into fit and selection half. */
  readonly seed: number;
  readonly version: string;
  /** What `learn --table --json` printed, if there was a test table. */
  readonly figures?: unknown;
}

/**
 * A model as files, by name; the last one, `model.json`, vouches for the others. The same model gives the same bytes.
 *
 * @throws {UserError} if the policy was learned for another network
 */
export function modelFiles({ network, policy, figures }: Model): Map<string, Uint8Array> {
  const { sha256, classes, description, provenance } = network;
  checkBelongs(policy, sha256);
  const files = new Map(network.files());
  if (policy) addPolicyArrays(files, policy);
  const json = {
    format: FORMAT,
    network: { sha256, ...description },
    classes,
    policy: policy && describePolicy({ ...policy, network: sha256 }),
    provenance,
    figures,
    files: digests(files),
  };
  return files.set("model.json", sealed(json));
}

/** @throws {UserError} unless the policy was learned for this network, or it does not say for which */
function checkBelongs(policy: LearnedPolicy | null, network: string): void {
  if (policy?.network === undefined || policy.network === network) return;
  throw new UserError(
    `model: a policy learned for this network (SHA-256 ${network.slice(0, 12)}...) expected, found one for ${policy.network.slice(0, 12)}...; learn one for it`,
  );
}

/** A policy without a network as files, by name; the last one, `policy.json`, vouches for the others. */
export function tablePolicyFiles({ policy, dataset, seed, version, figures }: TablePolicy): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  addPolicyArrays(files, policy);
  const json = { format: FORMAT, policy: describePolicy(policy), dataset, seed, version, figures };
  return files.set("policy.json", sealed({ ...json, files: digests(files) }));
}

function digests(files: ReadonlyMap<string, Uint8Array>) {
  return Object.fromEntries([...files].map(([name, bytes]) => [name, digestOf(bytes)]));
}

function addPolicyArrays(files: Map<string, Uint8Array>, { agent, validation }: LearnedPolicy): void {
  files.set("policy.safetensors", encodeSafetensors(agent.weights));
  if (validation) files.set("validation.safetensors", encodeTableFile(validation));
}

/** Everything about a policy but its arrays, in an order of its own: the same policy gives the same bytes. */
function describePolicy({ network, agent, costs, costUnit, seed, ...others }: LearnedPolicy) {
  const { hidden, dueling, temperatures, priorWeights, lambdaRange } = agent;
  const { lambda, decider, thresholds, choice, calibration } = others;
  const told = { network, costs, costUnit, seed, hidden, dueling, temperatures, priorWeights };
  return { ...told, lambdaRange, lambda, decider, thresholds, choice, calibration };
}
