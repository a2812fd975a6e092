/** Somebody's network with exits, outside of this package: both exports, and a page that loads the model folder. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterEach, expect, test, vi } from "vitest";
import { buildExport } from "../../src/export/build.ts";
import { checkExport, compareAnswers } from "../../src/export/check.ts";
import { buildOneFile } from "../../src/export/one-file.ts";
import { openFile } from "../../src/export/run-files.ts";
import { type Graph, ModelSchema } from "../../src/graph/onnx_pb.ts";
import { AdaptiveClassifier } from "../../src/inference/adaptive-classifier.ts";
import type { Classification } from "../../src/inference/classification.ts";
import { fetchModel } from "../../src/inference/fetch-model.ts";
import { saveModel } from "../../src/model/model-folder.ts";
import { fixedExitAgent } from "../../src/policy/fixed-exit-agent.ts";
import { integer, seededRandom } from "../../src/random.ts";
import { createWebRuntime } from "../../src/runtime/web.ts";
import { createApp } from "../../src/server/app.ts";
import { attached, opened, policyFor, runtime } from "../network/imported.ts";
import { onnxFile, op, smallParts } from "../onnx/files.ts";

const CUTS = ["a", "b", "relu3"];
const SIZE = 3 * 8 * 8;
const network = attached(await opened(), CUTS);
const policy = policyFor(network);
const folder = mkdtempSync(join(tmpdir(), "earlyexit-imported-"));
afterEach(() => vi.unstubAllGlobals());

function bytes(count: number): Uint8Array {
  const random = seededRandom(11);
  return Uint8Array.from({ length: count * SIZE }, () => integer(random, 0, 255));
}

/** What the file as it came says of pixels 0..1: its softmax. */
async function original(pixels: Uint8Array): Promise<number[]> {
  const parts = smallParts();
  const session = await InferenceSession.create(
    onnxFile({ ...parts, outputs: ["p"], nodes: [...parts.nodes, op("Softmax", ["output"], "p", { axis: 1 })] }),
  );
  const input = new Tensor(
    "float32",
    Float32Array.from(pixels, (x) => x / 255),
    [1, 3, 8, 8],
  );
  const { p } = await session.run({ input });
  return [...(p!.data as Float32Array)];
}

/** One picture through the exported file, with what ONNX Runtime says it ran. */
async function throughFile(file: Uint8Array, pixels: Uint8Array) {
  const profile = mkdtempSync(join(folder, "profile-"));
  const session = await InferenceSession.create(file, {
    enableProfiling: true,
    profileFilePrefix: join(profile, "profile"),
  });
  const results = await session.run({
    image: new Tensor("float32", Float32Array.from(pixels), [1, 3, 8, 8]),
    lambda: new Tensor("float32", Float32Array.of(0.1), []),
  });
  session.endProfiling();
  await session.release();
  const events = JSON.parse(readFileSync(join(profile, readdirSync(profile)[0]!), "utf8")) as {
    name: string;
    args?: { op_name?: string };
  }[];
  const ran = events.filter(({ name, args }) => args?.op_name?.endsWith("Conv") && name.endsWith("_kernel_time"));
  return {
    exit: Number((results.exit!.data as BigInt64Array)[0]),
    probabilities: [...(results.probabilities!.data as Float32Array)],
    convolutions: ran.length,
  };
}

test("one file: leaving last gives the original's answer to 1e-5; nothing behind the exit taken is computed", async () => {
  const pixels = bytes(1);
  const expected = await original(pixels);
  for (let exit = 0; exit < 4; exit++) {
    const fixed = { ...policy, agent: fixedExitAgent(policy.agent, exit) };
    const { bytes: file } = await buildOneFile(network, fixed, {});
    const found = await throughFile(file, pixels);
    expect(found).toMatchObject({ exit: exit + 1, convolutions: exit + 1 });
    const differences = found.probabilities.map((p, k) => Math.abs(p - expected[k]!));
    if (exit === 3) expect(Math.max(...differences)).toBeLessThan(1e-5);
    else expect(Math.max(...differences)).toBeGreaterThan(1e-3); // a head of random weights says something else
  }
});

test("one file: the original's nodes lie inside the Ifs", async () => {
  const { bytes: file, description } = await buildOneFile(network, policy, {});
  const bodies = ({ node }: Graph): Graph[] =>
    node.flatMap(({ attribute }) => attribute.flatMap(({ g }) => (g ? [g, ...bodies(g)] : [])));
  const convolutions = ({ node }: Graph): number => node.filter(({ opType }) => opType === "Conv").length;
  const { graph } = fromBinary(ModelSchema, file);
  expect(convolutions(graph!)).toBe(1);
  expect(bodies(graph!).map(convolutions).filter(Boolean)).toEqual([1, 1, 1]);
  expect(description.operators.filter((name) => name.includes("."))).toEqual([]);
});

test.each(["onnx", "stages"] as const)(
  "%s: in Node and in a browser's runtime it says what the classifier says",
  async (to) => {
    const model = { network, policy };
    const { manifest, files } = await buildExport(model, { to });
    for (const one of [runtime, await createWebRuntime()]) {
      const opened = await Promise.all(manifest.files.map((about) => openFile(one, about, files.get(about.file)!)));
      const report = await checkExport(runtime, model, manifest, opened);
      expect(report).toMatchObject({ different: 0, pictures: 64 });
      expect(report.largestDifference).toBeLessThan(1e-5);
      for (const { session } of opened) await session.release();
    }
  },
);

test("the licence of somebody's weights is not ours to give", async () => {
  const { files } = await buildExport({ network, policy }, { to: "onnx" });
  const text = new TextDecoder().decode(files.get("MODEL_CARD.md"));
  expect(text).toContain("The weights of the network as it came stay under its own licence");
  const metadata = fromBinary(ModelSchema, files.get("model.onnx")!).metadataProps.map(({ key }) => key);
  expect(metadata).toContain("classes");
  expect(metadata).not.toContain("license");
});

test("a page loads the folder from the local server, and says what Node says", async () => {
  const model = join(folder, "model");
  await saveModel(model, { network, policy });
  const host = "127.0.0.1:7411";
  const networkFiles = [...network.files().keys()];
  const app = createApp({
    page: async () => null,
    binaries: async () => null,
    devices: [],
    models: [{ id: "mine", title: "Mine", folder: model, networkFiles }],
    run: null,
    hosts: [host],
  });
  vi.stubGlobal("fetch", (url: string) => app.request(url, { headers: { host } }));
  const fetched = await fetchModel(`http://${host}/models/mine`);
  expect(fetched.network.sha256).toBe(network.sha256);
  const answers: (readonly Classification[])[] = [];
  for (const [one, of] of [
    [runtime, { network, policy }],
    [await createWebRuntime(), fetched],
  ] as const) {
    const classifier = await AdaptiveClassifier.create(one, of, async (pixels: Uint8Array) => pixels);
    answers.push(await classifier.classifyPixels(bytes(40)));
    await classifier.close();
  }
  const [node, web] = answers;
  const costs = { costs: { exitMacs: policy.costs.exitMacs, fullMacs: policy.costs.fullMacs } };
  const found = web!.map(({ probabilities, ...one }) => ({ ...one, probabilities: Float32Array.from(probabilities) }));
  expect(compareAnswers(node!, found, costs, 0.1)).toMatchObject({ different: 0, pictures: 40 });
  rmSync(folder, { recursive: true });
});
