/** Tensors of the Open Inference Protocol, version 2: JSON, and the binary extension (a JSON head, then raw little-endian bytes). */
import type { z } from "zod";
import type { Picture } from "./messages.ts";
import { RequestMistake } from "./request-mistake.ts";
import { inferSchema, type tensorSchema } from "./schemas.ts";
import { checked } from "./validation.ts";

export type InferRequest = z.output<typeof inferSchema>;

/**
 * @param body parsed JSON, or bytes: a head and raw tensors
 * @param headLength value of `Inference-Header-Content-Length`; null where there is no such header: the head alone
 * @throws {RequestMistake} if the head is not JSON of the protocol
 */
export function splitBody(body: unknown, headLength: number | null): { request: InferRequest; raw: Uint8Array } {
  if (!(body instanceof Uint8Array)) return { request: checked(inferSchema, body, "body"), raw: new Uint8Array() };
  const length = headLength ?? body.length;
  if (!(Number.isInteger(length) && length >= 0 && length <= body.length))
    throw new RequestMistake(`infer: a head of at most ${body.length} bytes expected, found ${length}`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(body.subarray(0, length)));
  } catch {
    throw new RequestMistake("infer: JSON expected, found something else");
  }
  return { request: checked(inferSchema, json, "body"), raw: body.subarray(length) };
}

/**
 * BYTES [N]: pictures' files (base64 in JSON); UINT8 [N, C, H, W]: pixels; FP32 [N, C, H, W]: the network's own input.
 *
 * @throws {RequestMistake} if shape and data do not fit
 */
export function picturesOf(request: InferRequest, raw: Uint8Array, shape: readonly number[]): Picture[] {
  const tensor = request.inputs[0]!;
  const bytes = binarySize(tensor) === null ? null : raw.slice(0, binarySize(tensor)!);
  if (bytes && bytes.length !== binarySize(tensor))
    throw new RequestMistake(`infer: ${binarySize(tensor)} bytes behind the head expected, found ${raw.length}`);
  if (tensor.datatype === "BYTES") return bytes ? binaryFiles(bytes, countOf(tensor)) : jsonFiles(tensor);
  const count = tensor.shape[0] ?? 0;
  if (tensor.shape.slice(1).join() !== shape.join() || count === 0)
    throw new RequestMistake(`infer: shape [N, ${shape.join(", ")}] expected, found [${tensor.shape.join(", ")}]`);
  const size = shape.reduce((product, one) => product * one, 1);
  const numbers = bytes ? numbersOf(tensor.datatype, bytes) : Array.from((tensor.data ?? []).flat(4), Number);
  if (numbers.length !== count * size)
    throw new RequestMistake(`infer: ${count * size} numbers expected, found ${numbers.length}`);
  return Array.from({ length: count }, (_, i) => {
    const part = numbers.slice(i * size, (i + 1) * size);
    return tensor.datatype === "UINT8" ? { pixels: Uint8Array.from(part) } : { tensor: Float32Array.from(part) };
  });
}

type Tensor = z.output<typeof tensorSchema>;

function binarySize({ parameters }: Tensor): number | null {
  const size = parameters?.binary_data_size;
  return typeof size === "number" ? size : null;
}

function countOf({ shape }: Tensor): number {
  return shape.reduce((product, one) => product * one, 1);
}

function jsonFiles({ data = [], shape }: Tensor): Picture[] {
  const texts = data.flat(2);
  const expected = shape.reduce((product, one) => product * one, 1);
  if (texts.length !== expected || !texts.every((one) => typeof one === "string"))
    throw new RequestMistake(`infer: ${expected} texts in base64 expected, found ${texts.length}`);
  return texts.map((text) => ({ file: Buffer.from(text as string, "base64") }));
}

/** Each with its length in four bytes before it. */
function binaryFiles(bytes: Uint8Array, count: number): Picture[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files: Picture[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length)
      throw new RequestMistake("infer: whole elements of BYTES expected, found a cut one");
    files.push({ file: bytes.slice(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  if (files.length !== count) throw new RequestMistake(`infer: ${count} elements expected, found ${files.length}`);
  return files;
}

function numbersOf(datatype: string, bytes: Uint8Array): Uint8Array | Float32Array {
  if (datatype === "UINT8") return bytes;
  if (bytes.length % 4 !== 0)
    throw new RequestMistake(`infer: 4 bytes per number expected, found ${bytes.length} bytes`);
  return new Float32Array(bytes.slice().buffer);
}

export interface OutputTensor {
  readonly name: string;
  readonly datatype: "INT64" | "FP32";
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** JSON, or binary for those outputs of which the request wants it. */
export function encodeOutputs(
  head: object,
  outputs: readonly OutputTensor[],
  request: InferRequest,
): { body: Buffer; headLength: number | null } {
  const all = request.parameters?.binary_data_output === true;
  const isBinary = (name: string): boolean => {
    const wanted = request.outputs?.find((one) => one.name === name)?.parameters?.binary_data;
    return typeof wanted === "boolean" ? wanted : all;
  };
  const raws: Buffer[] = [];
  const described = outputs.map(({ data, ...output }) => {
    if (!isBinary(output.name)) return { ...output, data };
    const values = output.datatype === "INT64" ? BigInt64Array.from(data, BigInt) : Float32Array.from(data);
    const raw = Buffer.from(values.buffer);
    raws.push(raw);
    return { ...output, parameters: { binary_data_size: raw.length } };
  });
  const json = Buffer.from(JSON.stringify({ ...head, outputs: described }));
  return raws.length === 0
    ? { body: json, headLength: null }
    : { body: Buffer.concat([json, ...raws]), headLength: json.length };
}
