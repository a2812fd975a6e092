/**
 * Exits for a network that is there already, without touching what is in it: probes at every cut, the best places for exits, heads on
 * frozen features. What comes out is a `StagedNetwork` like our own: a policy is learned for it in the same way.
 */
import type { Samples } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { type ImportedNetwork, importedNetwork, type OpenedNetwork } from "../network/imported-network.ts";
import { type Cut, findCuts, lastJoin } from "../onnx/cuts.ts";
import { VERSION } from "../version.ts";
import type { AttachOptions } from "./attach-options.ts";
import { learnHeads } from "./learn-heads.ts";
import { probeCuts } from "./probe-cuts.ts";
import { type TuneFindings, type TuneOptions, tuneNetwork } from "./tune-network.ts";

/** What was found on the way: kept with the network, shown in the report. */
export interface AttachFindings {
  /** Of a probe at each cut, on the pictures that the policy is learned from (few of these: on some training pictures kept aside). */
  readonly probes: readonly { cut: string; share: number; accuracy: number; chosen: boolean }[];
  /** [E] of each head, the new last one included: where, how large, and how often it is right on the pictures that the policy is learned from. */
  readonly heads: readonly { cut: string; grid: number; hidden: number; accuracy: number }[];
  /** On the pictures that the policy is learned from: as it came, and with a new last head; null where its classes are others. */
  readonly ownAccuracy: number | null;
  readonly headAccuracy: number;
  readonly lastExit: "own answer" | "new head";
  readonly calibrated: boolean;
  /** Where the network learned with its heads. */
  readonly tuned?: TuneFindings;
  /** What the user should know. */
  readonly notes: readonly string[];
}

export interface Attached {
  readonly network: ImportedNetwork;
  readonly findings: AttachFindings;
}

/** @throws {UserError} if pictures, labels or names do not fit the network, or it has no cut */
export async function attachExits(given: AttachOptions): Promise<Attached> {
  const { network, data, calibrate, seed = 1 } = given;
  const { train, judged } = checkedData(given);
  const cuts = usefulCuts(network, given.at);
  const probed = await probeCuts(given, train, judged, cuts);
  const chosen = given.at ? cuts : probed.chosen.map((i) => cuts[i]!);
  const { heads, weights, findings, answerClasses } = await learnHeads(given, train, judged, chosen, probed.mirrors);
  const probes = cuts.map(({ name, share }, i) => ({
    cut: name,
    share,
    accuracy: probed.accuracies[i]!,
    chosen: chosen.includes(cuts[i]!),
  }));
  const notes = [...probed.notes, ...findings.notes];
  const all: AttachFindings = { ...findings, notes, probes, calibrated: calibrate !== undefined };
  const provenance = {
    dataset: {
      name: data.name,
      sha256: { train: data.train!.sha256, validation: judged.sha256, test: data.test.sha256 },
    },
    seed,
    version: VERSION,
    recipe: { attached: { ...all } },
  };
  const cutNames = chosen.map(({ name }) => name);
  const attached = importedNetwork({
    ...network,
    cuts: cutNames,
    heads,
    weights,
    classes: data.classes,
    answerClasses,
    provenance,
  });
  return tuned(given, { network: attached, findings: all }, { train, judged, mirrors: probed.mirrors });
}

/** The heads have learned; now the network learns with them, if that is wanted. */
async function tuned(
  { runtime, seed = 1, tune = "heads", recipe, training, onTraining, signal }: AttachOptions,
  { network, findings }: Attached,
  set: Pick<TuneOptions, "train" | "judged" | "mirrors">,
): Promise<Attached> {
  if (tune === "heads") return { network, findings };
  const hooks: TuneOptions["hooks"] = {
    ...training,
    ...(onTraining ? { onProgress: onTraining } : {}),
    ...(signal ? { signal } : {}),
  };
  const result = await tuneNetwork({ ...set, hooks, network, depth: tune, recipe, runtime, seed });
  const { kept, before, after, frozen } = result.findings;
  const percent = (values: readonly number[]): string => values.map((one) => (100 * one).toFixed(1)).join(" / ");
  const notes = [
    ...findings.notes,
    ...frozen.map(({ node, reason }) => `not tuned: ${node} and all before it stay as they came: ${reason}`),
    `tuned: exits are right for ${percent(after)}%, before for ${percent(before)}%` +
      (kept === "frozen" ? "; the last one got worse, so that the network as it came is kept" : ""),
  ];
  const all = { ...findings, notes, tuned: result.findings };
  const provenance = {
    ...result.network.provenance,
    recipe: { ...result.network.provenance.recipe, attached: { ...all } },
  };
  return { network: importedNetwork({ ...result.network, provenance }), findings: all };
}

function checkedData({ network, data, calibrate }: AttachOptions): { train: Samples; judged: Samples } {
  const { train } = data;
  const judged = calibrate ?? data.validation;
  if (!train || !judged)
    throw new UserError(
      `attach: pictures to train and to validate expected, found only a test part in ${data.name}; give the whole set`,
    );
  if (data.imageShape.join() !== network.picture.shape.join())
    throw new UserError(
      `attach: pictures of ${network.picture.shape.join("x")} expected (the input of ${network.name}), ` +
        `found ${data.imageShape.join("x")} in ${data.name}; give --input, or pictures of that size`,
    );
  return { train, judged };
}

/** Those that are asked for, or those worth a probe. */
function usefulCuts({ prepared, name }: OpenedNetwork, at: readonly string[] | undefined): Cut[] {
  const all = findCuts(prepared);
  if (all.length === 0) {
    const join = lastJoin(prepared);
    const found = join ? `its parts run side by side until ${join}` : "all that it multiplies is in one operator";
    throw new UserError(
      `attach: a tensor through which all of ${name} passes, with work before and behind it, expected, found none: ${found}; ` +
        "no exit would save anything, take another network",
    );
  }
  if (!at) {
    const narrow = all.filter(({ isNarrow }) => isNarrow);
    return narrow.length >= 3 ? narrow : all;
  }
  return at
    .map((wanted) => {
      const found = all.find((cut) => cut.name === wanted);
      if (found) return found;
      throw new UserError(
        `attach: a cut of ${name} expected, found ${wanted}; the nearest names are ${nearest(
          wanted,
          all.map((cut) => cut.name),
        ).join(", ")}`,
      );
    })
    .sort((a, b) => a.macsBefore - b.macsBefore);
}

/** The three names that share most pieces of three letters with this one. */
function nearest(name: string, names: readonly string[]): string[] {
  const pieces = (text: string): Set<string> =>
    new Set(Array.from({ length: text.length + 2 }, (_, i) => `  ${text.toLowerCase()} `.slice(i, i + 3)));
  const own = pieces(name);
  const likeness = (other: string): number => {
    const theirs = pieces(other);
    return [...theirs].filter((piece) => own.has(piece)).length / Math.sqrt(theirs.size);
  };
  return [...names].sort((a, b) => likeness(b) - likeness(a)).slice(0, 3);
}
