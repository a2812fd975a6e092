/**
 * A network whose answers another one learns from, on the same view of each picture.
 *
 * @see Hinton et al., "Distilling the Knowledge in a Neural Network" (2015); Beyer et al., "Knowledge distillation: A good teacher is
 *   patient and consistent" (CVPR 2022) for the same view
 */
import type { Normalisation } from "../dataset/augmentation.ts";
import type { ImageShape } from "../dataset/dataset.ts";
import { UserError } from "../errors.ts";
import { add, multiply } from "../graph/elementwise.ts";
import { constant, input, integers, node, type Tensor } from "../graph/tensor.ts";
import type { Picture } from "../network/staged-network.ts";
import { Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";

export interface TeacherNetwork {
  readonly name: string;
  /** [K'] what it tells apart; null where nobody says. */
  readonly classes: readonly string[] | null;
  readonly picture: Picture;
  /** @param images [B, C, H, W] of its own size, normalised as it wants them @returns [B, K'] */
  answer(images: Tensor): Tensor;
}

export interface Teacher {
  /** Logits [B, K] for a batch that is normalised for the student. */
  answers(images: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Who learns. */
export interface Student {
  readonly classes: readonly string[];
  /** [C, H, W] */
  readonly imageShape: ImageShape;
  readonly normalisation: Normalisation;
}

/**
 * Which of the teacher's classes each of the student's is, by name: letters and digits count, their case does not.
 *
 * @throws {UserError} if one has no counterpart
 */
export function taughtClasses(
  { name, classes }: Pick<TeacherNetwork, "name" | "classes">,
  wanted: readonly string[],
): number[] {
  const plain = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  if (!classes)
    throw new UserError(
      `teacher: a network whose classes have names expected, found ${name}, of which nobody says them; ` +
        `write them into ${name}.labels.txt beside it, one per line`,
    );
  const places = new Map(classes.map((one, k) => [plain(one), k]));
  return wanted.map((one) => {
    const place = places.get(plain(one));
    if (place !== undefined) return place;
    const some = classes.slice(0, 5).join(", ");
    throw new UserError(
      `teacher: a network that tells ${one} apart expected, found ${name}, which tells ${classes.length} others apart (${some}, ..); ` +
        "give a teacher of the same classes",
    );
  });
}

/** @throws {UserError} if its classes or its pictures are of another kind */
export async function openTeacher(runtime: Runtime, network: TeacherNetwork, student: Student): Promise<Teacher> {
  const chosen = taughtClasses(network, student.classes);
  const images = input("images", [1, ...student.imageShape]);
  const all = network.answer(seenByTeacher(images, network, student));
  const logits = node("Gather", [all, integers(chosen)], { axis: 1 }, [1, chosen.length]);
  const program = await Program.compile(runtime, { outputs: { logits }, anyBatch: true });
  return {
    answers: async (batch) => (await program.run({ images: batch })).logits!,
    close: () => program.close(),
  };
}

/** The student's picture, normalised and scaled for the teacher. */
function seenByTeacher(
  images: Tensor,
  { name, picture }: TeacherNetwork,
  { imageShape, normalisation }: Student,
): Tensor {
  const [channels, height, width] = picture.shape;
  if (channels !== imageShape[0])
    throw new UserError(
      `teacher: pictures of ${imageShape[0]} channels expected, found ${name}, which takes ${channels}; give a teacher of the same kind`,
    );
  const [slope, offset] = fromTo(normalisation, picture.normalisation);
  const seen = add(multiply(images, perChannel(slope)), perChannel(offset));
  if (height === imageShape[1] && width === imageShape[2]) return seen;
  const scales = constant([1, 1, height / imageShape[1], width / imageShape[2]]);
  const attributes = { mode: "linear", coordinate_transformation_mode: "half_pixel", antialias: 1 };
  return node("Resize", [seen, null, scales], attributes, [images.shape[0]!, channels, height, width]);
}

/** (x std + mean - other mean) / other std, as a slope and an offset for each channel. */
function fromTo(from: Normalisation, to: Normalisation): [slope: number[], offset: number[]] {
  return [from.std.map((std, c) => std / to.std[c]!), from.mean.map((mean, c) => (mean - to.mean[c]!) / to.std[c]!)];
}

function perChannel(values: readonly number[]): Tensor {
  return constant(values, [1, values.length, 1, 1]);
}
