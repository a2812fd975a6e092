/** `earlyexit attach` and what comes after it, on a small file and small pictures that are written here. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawShape, SHAPE_CLASSES, SIDE } from "../../src/dataset/shape-drawing.ts";
import { serialize } from "../../src/graph/onnx.ts";
import { fullNetworkGraph } from "../../src/inference/stage-programs.ts";
import { loadModel } from "../../src/model/model-folder.ts";
import { pictureOf } from "../../src/network/staged-network.ts";
import { seededRandom } from "../../src/random.ts";
import { onnxFile, op, smallParts, weight } from "../onnx/files.ts";
import { runHere as earlyexit } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-attach-"));
const at = (name: string): string => join(folder, name);

/** Drawn pictures in the CIFAR-10 binary layout. @param noise how hard they are, 0..1 */
function writeRecords(path: string, count: number, key: number, noise: number): void {
  const records = new Uint8Array(count * 3073);
  for (let i = 0; i < count; i++) {
    records[i * 3073] = i % 10;
    records.set(drawShape(i % 10, noise, seededRandom(key, i)), i * 3073 + 1);
  }
  writeFileSync(path, records);
}

function writeData(name: string, training: number, test: number, key: number): void {
  mkdirSync(at(name));
  if (training > 0) writeRecords(join(at(name), "data_batch_1.bin"), training, key, 0.25);
  writeRecords(join(at(name), "test_batch.bin"), test, key + 1, 0.25);
  writeFileSync(join(at(name), "batches.meta.txt"), `${SHAPE_CLASSES.join("\n")}\n`);
}

/** Drawn pictures as PNG files, a folder for each class and no parts. */
async function writePhotos(name: string, count: number, key: number): Promise<void> {
  for (const label of SHAPE_CLASSES) mkdirSync(join(at(name), label), { recursive: true });
  for (let i = 0; i < count; i++)
    await writePicture(
      join(at(name), SHAPE_CLASSES[i % 10]!, `${i}.png`),
      drawShape(i % 10, 0.25, seededRandom(key, i)),
    );
}

async function writePicture(path: string, pixels: Uint8Array): Promise<void> {
  const interleaved = Uint8Array.from(
    { length: pixels.length },
    (_, i) => pixels[(i % 3) * SIDE * SIDE + Math.floor(i / 3)]!,
  );
  await sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } }).toFile(path);
}

let normalise: string;
const attach = (network: string, out: string, ...others: string[]) =>
  earlyexit(
    ...["attach", "--network", at(network), "--data", at("data"), "--out", at(out), "--threads", "2"],
    ...["--steps", "60", ...others],
  );

beforeAll(async () => {
  writeData("data", 500, 200, 1);
  await writePhotos("calibrate", 300, 6);
  // somebody's network that knows such pictures: ours without its exits, as a plain file with a softmax at its end
  const { network } = await loadModel("shapes");
  writeFileSync(at("shapes.onnx"), serialize(fullNetworkGraph(network)).bytes);
  const { mean, std } = pictureOf(network).normalisation;
  normalise = `${mean}/${std}`;
  writeFileSync(at("plain.onnx"), onnxFile(smallParts({ side: 32 })));
  await writePicture(at("shape.png"), drawShape(3, 0.1, seededRandom(9)));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a network that knows these pictures", () => {
  let figures: ReturnType<typeof JSON.parse>;
  const model = at("model");
  const data = ["--data", at("data")];

  beforeAll(async () => {
    const { code, stdout, stderr } = await attach(
      ...(["shapes.onnx", "model", "--normalise", normalise, "--calibrate", at("calibrate")] as const),
      ...["--exits", "2", "--json"],
    );
    expect(stderr.split("\n").filter((line) => /expected, found|Error/.test(line))).toEqual([]);
    expect(code).toBe(0);
    expect(stderr).toContain("images: 300 to test"); // of a folder without parts all are used
    figures = JSON.parse(stdout);
  }, 600_000);

  test("is as right as it came, at what it cost; its exits cost less", () => {
    const { original, adapted, attached, exits, samples } = figures;
    expect(samples).toBe(200);
    expect(original.accuracy).toBeGreaterThan(0.85);
    expect(adapted.accuracy).toBeGreaterThanOrEqual(original.accuracy - 0.03);
    expect(exits).toHaveLength(2);
    expect(exits[0].costMacs).toBeLessThan(original.costMacs);
    expect(attached.calibrated).toBe(true);
    expect(attached.probes.filter((one: { chosen: boolean }) => one.chosen)).toHaveLength(1);
    expect(attached.ownAccuracy).toBeGreaterThan(0.85);
  });

  test("the folder holds the file as it came", () => {
    expect(readFileSync(join(model, "network.onnx"))).toEqual(readFileSync(at("shapes.onnx")));
  });

  test("evaluate says the same as attach did", async () => {
    const { code, stdout } = await earlyexit("evaluate", "--model", model, ...data, "--json");
    expect(code).toBe(0);
    const { original, adapted, accuracy, exits, costMacs } = JSON.parse(stdout);
    expect({ original, adapted, accuracy, exits, costMacs }).toEqual({
      original: figures.original,
      adapted: figures.adapted,
      accuracy: figures.accuracy,
      exits: figures.exits,
      costMacs: figures.costMacs,
    });
  });

  test("evaluate as text compares with both", async () => {
    const { stdout } = await earlyexit("evaluate", "--model", model, ...data);
    expect(stdout).toMatch(/as it came/);
  });

  test("classify", async () => {
    const { code, stdout } = await earlyexit("classify", "--model", model, "--json", at("shape.png"));
    expect(code).toBe(0);
    const [answer] = JSON.parse(stdout).images;
    expect(answer.label).toBe(SHAPE_CLASSES[3]);
    expect([1, 2]).toContain(answer.exit);
  });

  test("learn: the pictures that it was calibrated with are found, others are refused", {
    timeout: 300_000,
  }, async () => {
    const before = readFileSync(join(model, "policy.safetensors"));
    const learned = await earlyexit(
      ...["learn", "--model", model, "--data", at("calibrate"), "--steps", "60", "--seed", "2", "--json"],
    );
    expect(learned.stderr).not.toMatch(/expected, found/);
    expect(learned.code).toBe(0);
    expect(readFileSync(join(model, "policy.safetensors")).equals(before)).toBe(false);
    const { code, stderr } = await earlyexit("learn", "--model", model, ...data, "--steps", "60");
    expect(code).toBe(2);
    expect(stderr).toMatch(/validation split that the network was kept away from expected/);
  });

  test("report: the curve of the probes is in it", { timeout: 180_000 }, async () => {
    const { code } = await earlyexit("report", "--run", model, ...data);
    expect(code).toBe(0);
    const html = readFileSync(join(model, "report.html"), "utf8");
    const json = JSON.parse(/id="report-data">(.*?)<\/script>/s.exec(html)![1]!);
    expect(json.probes).toEqual(figures.attached.probes);
  });

  test.each(["onnx", "stages"])(
    "export --to %s: it says what the classifier says",
    { timeout: 180_000 },
    async (to) => {
      const { code, stderr } = await earlyexit("export", "--model", model, "--to", to, "--out", at(`out-${to}`));
      expect(stderr).toMatch(/checked on 64 pictures .*: 0 decisions differ/);
      expect(code).toBe(0);
      const { files } = JSON.parse(readFileSync(join(at(`out-${to}`), "manifest.json"), "utf8"));
      expect(files).toHaveLength(to === "onnx" ? 1 : 2);
      expect(readFileSync(join(at(`out-${to}`), "MODEL_CARD.md"), "utf8")).toMatch(
        /^# Model card: shapes, 2 exits, 10 classes/,
      );
    },
  );

  test("bench", { timeout: 300_000 }, async () => {
    const { code, stdout } = await earlyexit(
      ...["bench", "--model", model, ...data, "--images", "20", "--batches", "1", "--threads", "1", "--json"],
    );
    expect(code).toBe(0);
    const { stages, full } = JSON.parse(stdout);
    expect(stages.filter((one: { batch: number }) => one.batch === 1)).toHaveLength(2);
    expect(full[0].meanMs).toBeGreaterThan(0);
  });

  test("network info of the folder's file", async () => {
    const { stdout } = await earlyexit("network", "info", join(model, "network.onnx"), "--json");
    const { cuts, macs } = JSON.parse(stdout);
    expect(macs).toBe(figures.original.costMacs);
    const names = cuts.map(({ name }: { name: string }) => name);
    for (const { cut } of figures.attached.probes) expect(names).toContain(cut);
  });
});

describe("what is refused, in one line", () => {
  const sideBySide = onnxFile({
    inputs: [["input", ["batch", 3, 32, 32]]],
    outputs: ["logits"],
    nodes: [
      op("Conv", ["input", "l"], "left map", { kernel_shape: [3, 3] }),
      op("Conv", ["input", "r"], "right map", { kernel_shape: [3, 3] }),
      op("GlobalAveragePool", ["left map"], "left"),
      op("GlobalMaxPool", ["right map"], "right"),
      op("Concat", ["left", "right"], "both", { axis: 1 }),
      op("Flatten", ["both"], "flat"),
      op("Gemm", ["flat", "v"], "logits"),
    ],
    constants: [weight("l", [8, 3, 3, 3], 3), weight("r", [8, 3, 3, 3], 4), weight("v", [16, 10], 2)],
  });

  test.each<[string, Uint8Array, string[], RegExp]>([
    ["no ONNX file", new TextEncoder().encode("PK.."), [], /an ONNX file expected, found 4 bytes that begin with "PK/],
    [
      "no cut at all",
      sideBySide,
      [],
      /a tensor through which all of file passes, .* expected, found none: .* until Concat .* joins left and right; no exit/,
    ],
    [
      "an operator that ONNX Runtime lacks",
      onnxFile(
        smallParts({ side: 32, domains: [["com.acme", 1]], nodes: [op("Anvil", ["input"], "output", {}, "com.acme")] }),
      ),
      [],
      /operators that this ONNX Runtime has expected, found com\.acme:Anvil/,
    ],
    [
      "a cut that does not exist",
      onnxFile(smallParts({ side: 32 })),
      ["--at", "relu"],
      /a cut of file expected, found relu; the nearest names are relu3/,
    ],
    [
      "labels that do not fit",
      onnxFile(smallParts({ side: 32 })),
      ["--labels", "names.txt"],
      /--labels: 10 names expected \(what file tells apart\), found 2/,
    ],
    [
      "pictures of another size",
      onnxFile(smallParts({ side: 32 })),
      ["--input", "64"],
      /--input: 32 expected \(the file fixes it\), found 64/,
    ],
    [
      "a normalisation that is none",
      onnxFile(smallParts({ side: 32 })),
      ["--normalise", "imagnet"],
      /--normalise: imagenet, cifar, unit or MEAN\/STD .* expected, found imagnet/,
    ],
    [
      "a recipe without anything to tune",
      onnxFile(smallParts({ side: 32 })),
      ["--epochs", "3"],
      /--epochs, --recipe and --resume with --tune last or all expected, found --tune heads/,
    ],
    ["both of --exits and --at", onnxFile(smallParts({ side: 32 })), ["--exits", "3", "--at", "a"], /found both/],
  ])("%s", async (_, bytes, options, message) => {
    writeFileSync(at("file.onnx"), bytes);
    writeFileSync(at("names.txt"), "cat\ndog\n");
    const { code, stdout, stderr } = await attach(
      "file.onnx",
      "never",
      ...options.map((one) => (one === "names.txt" ? at(one) : one)),
    );
    const lines = stderr.trim().split("\n");
    expect(lines.at(-1)).toMatch(message);
    expect(code).toBe(2);
    expect(stdout).toBe("");
  });

  test("a part to judge that is the part to calibrate with", async () => {
    const { code, stderr } = await attach("plain.onnx", "never", "--calibrate", at("data"));
    expect(stderr).toMatch(/other pictures than those that are judged on expected, found the same/);
    expect(code).toBe(2);
  });
});

test("a network that knows nothing of them: a new last head, and the message says what to try", {
  timeout: 300_000,
}, async () => {
  const { code, stdout, stderr } = await attach("plain.onnx", "model-plain", "--at", "a,relu3", "--json");
  expect(code).toBe(0);
  expect(stderr).toMatch(/near chance: .*--labels.*--normalise, --channels or --layout/);
  expect(stderr).toMatch(/no --calibrate: .*its confidence may be inflated/);
  const { original, adapted, attached } = JSON.parse(stdout);
  expect(original.accuracy).toBeNull();
  expect(attached.lastExit).toBe("new head");
  expect(adapted.accuracy).toBeGreaterThan(0.2); // chance is 0.1
});

test("--tune all: a checkpoint is left, its model folder is one like any other, and nobody says how it was as it came", {
  timeout: 300_000,
}, async () => {
  const tuning = ["--tune", "all", "--epochs", "1", "--at", "relu3", "--json"];
  const { code, stdout, stderr } = await attach("plain.onnx", "model-tuned", ...tuning);
  expect(stderr).toMatch(/tuned: exits are right for /);
  expect(code).toBe(0);
  const { original, attached } = JSON.parse(stdout);
  expect(attached.tuned).toMatchObject({ depth: "all", epochs: 1, frozen: [] });
  if (attached.tuned.kept === "tuned") expect(original.accuracy).toBeNull();
  expect(readFileSync(join(at("model-tuned"), "checkpoint", "checkpoint.json"), "utf8")).toMatch(/"step":/);
  const { network } = await loadModel(at("model-tuned"));
  expect(network.provenance.recipe.tuned ?? attached.tuned.kept).toBeTruthy();
  const { code: again, stdout: answer } = await earlyexit(
    "classify",
    at("shape.png"),
    "--model",
    at("model-tuned"),
    "--json",
  );
  expect(again).toBe(0);
  expect(JSON.parse(answer)).toBeTruthy();
});
