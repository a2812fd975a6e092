/**
 * What a user would write: Fastify, sharp, onnxruntime-node with its own settings, and the same network whole.
 *
 *     node peer.ts NETWORK.onnx HEIGHT WIDTH MEAN STD CLASSES (JSON)
 */
import Fastify from "fastify";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";

const [file, height, width, mean, std, classes] = process.argv.slice(2).map((text, i) => (i ? JSON.parse(text) : text));
const session = await InferenceSession.create(file);
const app = Fastify({ bodyLimit: 1e7 });
app.addContentTypeParser("image/jpeg", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

app.post("/v1/classify", async (request) => {
  const image = sharp(request.body as Buffer)
    .removeAlpha()
    .resize(width, height, { fit: "fill" });
  const pixels = await image.raw().toBuffer();
  const area = height * width;
  const x = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < area; i++) x[c * area + i] = (pixels[3 * i + c]! / 255 - mean[c]) / std[c];
  const feeds = { [session.inputNames[0]!]: new Tensor("float32", x, [1, 3, height, width]) };
  const results = await session.run(feeds);
  const probabilities = results[session.outputNames[0]!]!.data as Float32Array;
  const best = probabilities.indexOf(Math.max(...probabilities));
  return { class: classes[best], confidence: probabilities[best] };
});

process.on("disconnect", () => process.exit(0));
process.send!(await app.listen({ host: "127.0.0.1", port: 0 }));
