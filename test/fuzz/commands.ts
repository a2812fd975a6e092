/** Every command that writes, in small: what it starts from, what is typed, and what is typed again after it was killed. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { drawShape, SHAPE_CLASSES, SIDE } from "../../src/dataset/shape-drawing.ts";
import { encodeSafetensors, type StoredArray } from "../../src/files/safetensors.ts";
import { seededRandom } from "../../src/random.ts";
import { onnxFile, smallParts } from "../onnx/files.ts";
import { syntheticTable } from "../policy/synthetic.ts";

export const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;

export interface Writing {
  readonly name: string;
  /** Folder of `inputs` that is copied as the one that is written; absent: there is none yet. */
  readonly from?: "trained" | "learned";
  /** @param out the folder that is written */
  readonly args: (out: string) => string[];
  /** `--resume` where a run was begun. */
  readonly resumes?: true;
  /** Not to be typed again once it is done: it learns on from what it wrote, or takes a new folder only. */
  readonly once?: true;
}

const head = [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }];
const block = (channels: number) => ({
  layers: [{ type: "conv", channels, stride: 2 }, { type: "batchNorm" }, { type: "relu" }],
  head,
});
const BLUEPRINT = { name: "small", input: [3, SIDE, SIDE], stages: [block(6), block(8)] };
/** 405 steps, so that there are checkpoints on the way. */
const RECIPE = { epochs: 3, batchSize: 8, learningRate: 0.01 };

/** Writes what the commands read. @param folder is there */
export async function writeInputs(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  writeFileSync(at("blueprint.json"), JSON.stringify(BLUEPRINT));
  writeFileSync(at("recipe.json"), JSON.stringify(RECIPE));
  mkdirSync(at("data"));
  writeRecords(at("data/data_batch_1.bin"), 1200, 1);
  writeRecords(at("data/test_batch.bin"), 100, 2);
  writeFileSync(at("data/batches.meta.txt"), `${SHAPE_CLASSES.join("\n")}\n`);
  writeFileSync(at("feedback.safetensors"), feedbackTable());
  writeFileSync(at("costs.json"), "[1, 3]");
  writeFileSync(at("theirs.onnx"), onnxFile(smallParts({ side: SIDE })));
  await writePictures(at("photos"), 240);
}

/** Drawn pictures in the CIFAR-10 binary layout. */
function writeRecords(path: string, count: number, key: number): void {
  const records = new Uint8Array(count * 3073);
  for (let i = 0; i < count; i++) {
    records[i * 3073] = i % 10;
    records.set(drawShape(i % 10, 0.1, seededRandom(key, i)), i * 3073 + 1);
  }
  writeFileSync(path, records);
}

async function writePictures(folder: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const pixels = drawShape(i % 2, 0.1, seededRandom(3, i));
    const interleaved = Uint8Array.from(pixels, (_, at) => pixels[(at % 3) * SIDE * SIDE + Math.floor(at / 3)]!);
    mkdirSync(join(folder, SHAPE_CLASSES[i % 2]!), { recursive: true });
    await sharp(interleaved, { raw: { width: SIDE, height: SIDE, channels: 3 } }).toFile(
      join(folder, SHAPE_CLASSES[i % 2]!, `${i}.png`),
    );
  }
}

/** Of a network with two exits and ten classes. */
function feedbackTable(): Uint8Array {
  const { logits, labels, count, exits, classes } = syntheticTable(900, 4, { exits: 2 });
  return encodeSafetensors(
    new Map<string, StoredArray>([
      ["logits", { shape: [count, exits, classes], data: logits }],
      ["labels", { shape: [count], data: Int32Array.from(labels) }],
    ]),
  );
}

/** @param inputs what `writeInputs` wrote */
export function writings(inputs: string): Writing[] {
  const at = (name: string): string => join(inputs, name);
  const data = ["--data", at("data")];
  const own = [...data, "--blueprint", at("blueprint.json"), "--recipe", at("recipe.json"), "--threads", "1"];
  const learn = (out: string): string[] => ["learn", "--model", out];
  return [
    { name: "train", args: (out) => ["train", ...own, "--out", out], resumes: true },
    { name: "run", args: (out) => ["run", ...own, "--out", out], resumes: true },
    {
      name: "train on pictures that are decoded first",
      args: (out) =>
        ["train", "--data", at("photos"), "--size", "32", "--blueprint", at("blueprint.json"), "--from", "none"].concat(
          ["--epochs", "1", "--threads", "1", "--out", out],
        ),
      resumes: true,
    },
    { name: "learn", from: "trained", args: (out) => [...learn(out), ...data, "--steps", "40"] },
    {
      name: "learn, over a policy",
      from: "learned",
      args: (out) => [...learn(out), ...data, "--steps", "40", "--seed", "2"],
    },
    {
      name: "learn --continue",
      from: "learned",
      args: (out) => [...learn(out), "--continue", "--feedback", at("feedback.safetensors"), "--steps", "40"],
      once: true,
    },
    {
      name: "learn --table",
      args: (out) => [
        "learn",
        "--table",
        at("feedback.safetensors"),
        "--cost",
        at("costs.json"),
        "--out",
        out,
        "--steps",
        "40",
      ],
    },
    { name: "quantise", once: true, args: (out) => ["quantise", "--model", at("learned"), ...data, "--out", out] },
    {
      name: "attach",
      once: true,
      args: (out) => [
        "attach",
        "--network",
        at("theirs.onnx"),
        ...data,
        "--at",
        "a,relu3",
        "--threads",
        "1",
        "--out",
        out,
      ],
    },
    { name: "evaluate --save", from: "learned", args: (out) => ["evaluate", "--model", out, ...data, "--save"] },
    { name: "report", from: "learned", args: (out) => ["report", "--run", out, ...data] },
    { name: "export --to onnx", args: (out) => ["export", "--model", at("learned"), "--to", "onnx", "--out", out] },
    {
      name: "export --to stages",
      args: (out) => ["export", "--model", at("learned"), "--to", "stages", "--out", out],
    },
  ];
}
