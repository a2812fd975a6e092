/** The service without a socket, on the model of drawn pictures that comes with the package. */
import { AdaptiveClassifier } from "earlyexit";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { drawShape, SIDE } from "../../src/dataset/shape-drawing.ts";
import { seededRandom } from "../../src/random.ts";
import { createApp } from "../src/app.ts";

const MODEL = new URL("../../models/shapes", import.meta.url).pathname;
let classifier: AdaptiveClassifier;
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  classifier = await AdaptiveClassifier.load(MODEL, { threads: 1 });
  app = createApp({ classifier, maxBytes: 20_000 });
});
afterAll(async () => {
  await app.close();
  await classifier.close();
});

/** A drawing as the bytes of a PNG file: no loss. */
function picture(kind: number): Promise<Buffer> {
  const planes = drawShape(kind, 0.05, seededRandom(7, kind));
  const area = SIDE * SIDE;
  const interleaved = Uint8Array.from({ length: 3 * area }, (_, i) => planes[(i % 3) * area + Math.floor(i / 3)]!);
  return sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer();
}

test("it says that it is there", async () => {
  const answer = await app.inject({ url: "/healthz" });
  expect([answer.statusCode, answer.json()]).toEqual([200, { status: "ok" }]);
});

test("a picture as body is answered as the classifier answers it, exits counted from 1", async () => {
  for (const kind of [0, 4, 8]) {
    const bytes = await picture(kind);
    const direct = await classifier.classify(bytes);
    const answer = await app.inject({ method: "POST", url: "/v1/classify", payload: bytes });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      label: direct.label,
      classIndex: direct.classIndex,
      confidence: direct.confidence,
      exit: direct.exit,
      stoppedBy: direct.stoppedBy,
      costMacs: direct.costMacs,
    });
    expect(direct.classIndex).toBe(kind);
  }
});

test("what is no picture is told so", async () => {
  const post = (payload: Buffer) => app.inject({ method: "POST", url: "/v1/classify", payload });
  const nothing = await post(Buffer.alloc(0));
  expect([nothing.statusCode, nothing.json().error]).toEqual([400, expect.stringContaining("found none")]);
  const text = await post(Buffer.from("not a picture"));
  expect([text.statusCode, text.json().error]).toEqual([400, expect.stringContaining("JPEG, PNG or WebP")]);
  const large = await post(Buffer.alloc(20_001));
  expect(large.statusCode).toBe(413);
});
