/** A network in 8 bits as files for other programs: `exportModel` itself compares them with the classifier, and refuses what differs. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSamples } from "../../src/dataset/dataset.ts";
import { exportModel } from "../../src/export/export.ts";
import { quantise } from "../../src/quantise/quantise.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { handMadeAgent, network, policyOf, wavyData, wavyPixels } from "../inference/small.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-int8-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const runtime = createNodeRuntime({ threads: 1 });
const samples = createSamples(wavyPixels(96, 3), new Uint16Array(96));
const data = wavyData(samples);
const small = await quantise({ network, data, runtime, images: 64 });
const model = { network: small, policy: policyOf(handMadeAgent({ scale: 1.6, seed: 8, biases: [1, 0] })) };

test.each(["onnx", "stages"] as const)(
  "%s: the files say what the classifier says, and the card tells of 8 bits",
  async (to) => {
    const out = join(folder, to);
    const pictures = wavyPixels(60, 9);
    const { manifest, check } = await exportModel({ model, to, out, runtime, pictures });
    expect(check.pictures).toBe(60);
    expect(check.exits.filter((count) => count > 0).length).toBeGreaterThan(1);
    expect(check.different).toBe(0);
    expect(manifest.files.flatMap(({ operators }) => operators)).toContain("QuantizeLinear");
    expect(readFileSync(join(out, "MODEL_CARD.md"), "utf8")).toContain(
      "Convolutions are computed in integers: weights of 7 bits, activations of 8.",
    );
  },
);
