/** An imported network from a model folder: the file as it came, heads, and what `model.json` says of both. */
import { z } from "zod";
import { UserError } from "../errors.ts";
import { decodeSafetensors } from "../files/safetensors.ts";
import { decodePlan } from "../onnx/plan.ts";
import { normalisationSchema } from "./feeding.ts";
import { type ImportedNetwork, importedNetwork, splitHeads } from "./imported-network.ts";
import type { Provenance } from "./staged-network.ts";

/** What the description of an imported network holds. */
const importedSchema = z.object({
  kind: z.literal("imported"),
  name: z.string(),
  feeding: z.object({
    layout: z.enum(["channelsFirst", "channelsLast"]),
    channels: z.enum(["rgb", "bgr", "grey"]),
  }),
  picture: z.object({
    shape: z.tuple([z.int(), z.int(), z.int()]),
    layout: z.literal("channelsFirst"),
    channels: z.enum(["rgb", "grey"]),
    normalisation: normalisationSchema,
  }),
  cuts: z.array(z.string()),
  heads: z.array(z.object({ grid: z.int().positive(), hidden: z.int().min(0) }).nullable()),
  labels: z.array(z.string()).nullable(),
  answerClasses: z.array(z.int().min(0)).nullable(),
  external: z.array(z.string()),
  isTuned: z.boolean().optional(),
});

/**
 * @param described what `model.json` says of the network
 * @param read the bytes of a file of the folder, checked
 * @param where the folder, for messages
 * @throws {UserError} if something does not fit together
 */
export async function readImportedNetwork(
  described: unknown,
  { classes, provenance }: { readonly classes: readonly string[]; readonly provenance: Provenance },
  read: (file: string) => Promise<Uint8Array>,
  where: string,
): Promise<ImportedNetwork> {
  const parsed = importedSchema.safeParse(described);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UserError(
      `${where}/model.json: an imported network expected, found at network.${issue.path.join(".")}: ${issue.message}; attach it again`,
    );
  }
  const { kind: _, external: names, ...parts } = parsed.data;
  if (parts.heads.length !== parts.cuts.length + 1)
    throw new UserError(
      `${where}/model.json: ${parts.cuts.length + 1} heads expected, found ${parts.heads.length}; attach it again`,
    );
  const file = await read("network.onnx");
  const external = new Map<string, Uint8Array>();
  for (const name of names) external.set(name, await read(name));
  const heads = await read("heads.safetensors");
  const at = `${where}/heads.safetensors`;
  const { weights, plan } = splitHeads(decodeSafetensors(heads, at), at);
  const prepared = decodePlan(plan, file, external, at);
  return importedNetwork({ ...parts, file, external, prepared, weights, classes, provenance });
}
