// The entry of the threads that `decodePictures` starts: each request is some pictures, whose pixels are written to their rows.
import { parentPort, workerData } from "node:worker_threads";
import sharp from "sharp";
import { writeParts } from "../files/large.ts";
import type { DecodeAnswer, DecodeRequest, DecodeTask } from "./decode.ts";
import { readPlace } from "./file-place.ts";
import { decodePicture } from "./image-file.ts";

const { path, shape } = workerData as DecodeTask;
const imageBytes = shape[0] * shape[1] * shape[2];
sharp.concurrency(1); // there is a thread for each core
sharp.cache(false); // no picture is read twice
const file = writeParts(path, { isContinued: true }); // closed when the thread ends

async function store(row: number, from: DecodeRequest[number]["from"]): Promise<string | null> {
  let pixels: Uint8Array;
  try {
    pixels = await decodePicture(from instanceof Uint8Array ? from : await readPlace(from), shape);
  } catch (error) {
    return (error as Error).message.split("\n")[0]!;
  }
  file.write(pixels.subarray(0, imageBytes), row * imageBytes);
  return null;
}

parentPort?.on("message", async (request: DecodeRequest) => {
  const answer: DecodeAnswer = [];
  for (const { row, from } of request) answer.push({ row, reason: await store(row, from) });
  parentPort?.postMessage(answer);
});
