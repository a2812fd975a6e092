/** Many pictures, one line each: what `score` writes. The lines depend on model, lambda and pictures, not on when or where they were made. */
import type { ImageShape } from "../dataset/dataset.ts";
import { decodePicture } from "../dataset/image-file.ts";
import { readableFormat } from "../dataset/image-format.ts";
import { pictureOf } from "../network/staged-network.ts";
import type { AdaptiveClassifier } from "./adaptive-classifier.ts";

/** Pictures that are computed together. Part of the result: other batches may differ in the last digits. */
const BATCH = 64;

export interface PictureToScore {
  /** Within the data. */
  readonly path: string;
  /** The bytes of its file. */
  read(): Promise<Uint8Array>;
}

/** What is said of a picture. */
export type Score =
  | {
      readonly path: string;
      readonly class: string;
      readonly confidence: number;
      /** 1..E */
      readonly exit: number;
      readonly costMacs: number;
    }
  | { readonly path: string /** Why it is no picture that can be read. */; readonly error: string };

type Decoded =
  | { readonly path: string; readonly pixels: Uint8Array }
  | { readonly path: string; readonly error: string };

/**
 * Scores in the order of the pictures. While a batch is computed, the next one is read and decoded.
 *
 * @throws what `read` throws, and what `signal` was aborted with
 */
export async function* scorePictures(
  classifier: AdaptiveClassifier<never>,
  pictures: readonly PictureToScore[],
  signal?: AbortSignal,
): AsyncGenerator<Score[]> {
  const { shape } = pictureOf(classifier.network);
  const decodeFrom = (from: number): Promise<Decoded[]> => {
    const decoding = Promise.all(pictures.slice(from, from + BATCH).map((one) => decoded(one, shape)));
    decoding.catch(() => undefined); // told when its turn comes
    return decoding;
  };
  let next = decodeFrom(0);
  for (let from = 0; from < pictures.length; from += BATCH) {
    signal?.throwIfAborted();
    const batch = await next;
    next = decodeFrom(from + BATCH);
    const readable = batch.flatMap((one) => ("pixels" in one ? [{ pixels: one.pixels }] : []));
    const answers = await classifier.classifyBatch(readable);
    let answered = 0;
    yield batch.map((one): Score => {
      if ("error" in one) return one;
      const { label, confidence, exit, costMacs } = answers[answered++]!;
      return { path: one.path, class: label, confidence, exit, costMacs };
    });
  }
}

/** The decoder's own words may be another picture's that failed at the same moment: they are no part of a result. */
async function decoded({ path, read }: PictureToScore, shape: ImageShape): Promise<Decoded> {
  const bytes = await read();
  let format: string;
  try {
    format = readableFormat(bytes);
  } catch (error) {
    return { path, error: (error as Error).message };
  }
  return decodePicture(bytes, shape).then(
    (pixels) => ({ path, pixels }),
    () => ({ path, error: `a ${format} picture that is damaged, cut short or too large` }),
  );
}
