// The entry of the threads that `decodePictures` starts: each request is some pictures, whose pixels are written to their rows.
import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import { UserError } from "../errors.ts";
import { writeParts } from "../files/large.ts";
import type { DecodeAnswer, DecodedRow, DecodeRequest, DecodeTask } from "./decode.ts";
import { readPlace } from "./file-place.ts";
import { decodePicture } from "./image-file.ts";

const { path, shape } = workerData as DecodeTask;
const imageBytes = shape[0] * shape[1] * shape[2];
sharp.concurrency(1); // there is a thread for each core
sharp.cache(false); // no picture is read twice
const file = writeParts(path, { isContinued: true }); // closed when the thread ends

async function store(row: number, from: DecodeRequest[number]["from"]): Promise<DecodedRow> {
  let isRead = false;
  let pixels: Uint8Array;
  try {
    const bytes = from instanceof Uint8Array ? from : await readPlace(from);
    isRead = true;
    pixels = await decodePicture(bytes, shape);
  } catch (error) {
    return { row, reason: (error as Error).message.split("\n")[0]!, isRead };
  }
  file.write(pixels.subarray(0, imageBytes), row * imageBytes);
  return { row, reason: null, isRead };
}

async function answer(request: DecodeRequest): Promise<DecodeAnswer> {
  const rows: DecodedRow[] = [];
  try {
    for (const { row, from } of request) rows.push(await store(row, from));
    return { rows };
  } catch (error) {
    if (error instanceof UserError) return { failed: error.message }; // a full disk
    throw error;
  }
}

parentPort?.on("message", async (request: DecodeRequest) => parentPort?.postMessage(await answer(request)));
