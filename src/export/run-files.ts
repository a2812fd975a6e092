import type { InferenceSession, OnnxValue, Tensor } from "onnxruntime-common";
import type { Runtime } from "../runtime/runtime.ts";
import type { FileDescription } from "./manifest.ts";

/** A file of an export, loaded. */
export interface OpenFile {
  readonly description: FileDescription;
  readonly session: InferenceSession;
  readonly runtime: Runtime;
}

export interface Answer {
  readonly classIndex: number;
  /** [K] */
  readonly probabilities: Float32Array;
  /** 1..E */
  readonly exit: number;
  /** Absent where the files do not say it. */
  readonly cost?: number;
  /** No class is to be named; absent where the files do not say it. */
  readonly unsure?: boolean;
}

/** @param bytes of the file `description.file` */
export async function openFile(runtime: Runtime, description: FileDescription, bytes: Uint8Array): Promise<OpenFile> {
  return { description, session: await runtime.createSession(bytes), runtime };
}

/** The file that exits by itself, picture by picture. @param pixels [N, C, H, W] bytes */
export async function runOneFile([file]: readonly OpenFile[], pixels: Uint8Array, lambda: number): Promise<Answer[]> {
  const { session, runtime, description } = file!;
  const shape = description.inputs.find(({ name }) => name === "image")!.shape as number[];
  const size = shape.reduce((a, b) => a * b);
  const answers: Answer[] = [];
  for (let from = 0; from < pixels.length; from += size) {
    const image = runtime.tensor(Float32Array.from(pixels.subarray(from, from + size)), shape);
    const results = await session.run({ image, lambda: runtime.tensor(Float32Array.of(lambda), []) });
    const whole = (name: string): number => Number((results[name]!.data as BigInt64Array)[0]);
    const probabilities = floats(results.probabilities!).slice();
    const unsure = results.unsure ? { unsure: whole("unsure") === 1 } : {};
    answers.push({ classIndex: whole("class"), probabilities, exit: whole("exit"), cost: whole("cost"), ...unsure });
  }
  return answers;
}

/**
 * The stage files, every stage on every picture, so that each file is run whatever the agent decides; a picture's answer
 * is that of the first stage that says so, undefined where none does. Using them to save computing is shown in the README of an export.
 *
 * @param pixels [N, C, H, W] bytes
 */
export async function runStages(
  files: readonly OpenFile[],
  pixels: Uint8Array,
  lambda: number,
): Promise<(Answer | undefined)[]> {
  const [, ...shape] = files[0]!.description.inputs.find(({ name }) => name === "image")!.shape as number[];
  const size = shape.reduce((a, b) => a * b);
  const count = pixels.length / size;
  const [fixed] = files[0]!.description.outputs[0]!.shape;
  const batch = typeof fixed === "number" ? fixed : count;
  const answers: (Answer | undefined)[] = [];
  for (let first = 0; first < count; first += batch) {
    const images = new Float32Array(batch * size); // what is missing in the last batch stays black
    images.set(pixels.subarray(first * size, (first + batch) * size));
    answers.push(...(await runBatch(files, images, [batch, ...shape], lambda)));
  }
  return answers.slice(0, count);
}

async function runBatch(
  files: readonly OpenFile[],
  images: Float32Array,
  shape: readonly number[],
  lambda: number,
): Promise<(Answer | undefined)[]> {
  const answers = new Array<Answer | undefined>(shape[0]!).fill(undefined);
  let given: Record<string, OnnxValue> = {};
  for (const [stage, { description, session, runtime }] of files.entries()) {
    const known = {
      ...given,
      image: runtime.tensor(images, shape),
      lambda: runtime.tensor(Float32Array.of(lambda), []),
    };
    given = await session.run(
      Object.fromEntries(
        description.inputs.map(({ name, from = name }) => [name, known[from as keyof typeof known]] as const),
      ),
    );
    const leaves = floats(given.exit_now!);
    const probabilities = floats(given.probabilities!);
    const unsure = given.unsure && floats(given.unsure);
    const classes = probabilities.length / leaves.length;
    leaves.forEach((leave, row) => {
      if (answers[row] || leave !== 1) return;
      const own = probabilities.slice(row * classes, (row + 1) * classes);
      const answer = { classIndex: own.indexOf(Math.max(...own)), probabilities: own, exit: stage + 1 };
      answers[row] = unsure ? { ...answer, unsure: unsure[row] === 1 } : answer;
    });
  }
  return answers;
}

function floats(value: OnnxValue): Float32Array {
  return (value as Tensor).data as Float32Array;
}
