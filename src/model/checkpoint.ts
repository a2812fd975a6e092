/**
 * A training that can go on, as two files: `state.safetensors` holds every variable of the training step, `checkpoint.json` the step and
 * the SHA-256 of the other. What the variables must be, and how far a training goes, the trainer knows (`restore`).
 */
import { z } from "zod";
import { UserError } from "../errors.ts";
import { parseJson } from "../files/json.ts";
import { decodeSafetensors, encodeSafetensors, floatArray } from "../files/safetensors.ts";
import { sealed, unsealed } from "../files/sealed.ts";
import { checkDigest, digestOf } from "../files/sha256.ts";
import type { Checkpoint } from "../training/checkpoint.ts";
import type { ReadFile } from "./read-model.ts";

const MAIN = "checkpoint.json";
const STATE = "state.safetensors";

const schema = z.strictObject({
  format: z.literal(2),
  step: z.int().min(0),
  /** SHA-256 of each split. */
  data: z.record(z.string(), z.string()),
  /** Mean accuracies of the looks at validation so far. */
  looks: z.array(z.number()).optional(),
  state: z.strictObject({ bytes: z.int().min(0), sha256: z.string() }),
});

export function checkpointFiles({ step, data, variables, looks }: Checkpoint): Map<string, Uint8Array> {
  const state = encodeSafetensors(variables);
  const json = { format: 2, step, data, looks, state: digestOf(state) };
  return new Map([
    [STATE, state],
    [MAIN, sealed(json)],
  ]);
}

/** null where there is none. @throws {UserError} if it is damaged, or of another version */
export async function readCheckpoint(read: ReadFile, where: string): Promise<Checkpoint | null> {
  const [main, state] = [await read(MAIN), await read(STATE)];
  if (!main && !state) return null;
  const again = "start afresh in another folder, without --resume";
  if (!main || !state) throw new UserError(`${where}: ${MAIN} and ${STATE} expected, found one of them; ${again}`);
  const parsed = schema.safeParse(unsealed(parseJson(main, `${where}/${MAIN}`), `${where}/${MAIN}`));
  if (!parsed.success)
    throw new UserError(
      `${where}/${MAIN}: a checkpoint of this version expected, found ${parsed.error.issues[0]!.message} at ${parsed.error.issues[0]!.path.join(".") || "the top"}; ${again}`,
    );
  const at = `${where}/${STATE}`;
  checkDigest(state, parsed.data.state, at);
  const arrays = decodeSafetensors(state, at);
  const variables = new Map([...arrays].map(([name, { shape }]) => [name, floatArray(arrays, name, shape.length, at)]));
  const { step, data, looks } = parsed.data;
  return { step, data, variables, ...(looks ? { looks } : {}) };
}
