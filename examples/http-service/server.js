// POST a picture, get its class: npm start, then curl --data-binary @photo.jpg localhost:8080
// For more than one core, batches, a price that rises with the queue, versions and metrics: `earlyexit serve` (@earlyexit/server).
import { createServer } from "node:http";
import { AdaptiveClassifier, UserError } from "earlyexit";

const MOST_BYTES = 20e6;
const DEADLINE_MS = 50;
const classifier = await AdaptiveClassifier.load(process.env.MODEL ?? "cifar10");
await classifier.prepareStages(); // measures the stages, so that the first deadline is kept, too

async function body(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw new UserError(`picture: at most ${MOST_BYTES} bytes expected, found more; scale it`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const server = createServer(async (request, response) => {
  const answer = (status, content) =>
    response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(content)}\n`);
  if (request.method !== "POST") return answer(405, { error: "POST a picture" });
  try {
    const { label, confidence, exit, stoppedBy, latencyMs } = await classifier.classify(await body(request), {
      deadlineMs: DEADLINE_MS,
    });
    answer(200, { label, confidence, exit, stoppedBy, latencyMs });
  } catch (error) {
    if (!(error instanceof UserError)) console.error(error);
    answer(error instanceof UserError ? 400 : 500, { error: error instanceof UserError ? error.message : "a defect" });
  }
});
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
