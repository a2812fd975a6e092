/** Folders: what is written, what is checked, and that nothing is left half-written. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { UserError } from "../../src/errors.ts";
import { buildExport } from "../../src/export/build.ts";
import { compareAnswers } from "../../src/export/check.ts";
import { exportModel } from "../../src/export/export.ts";
import type { Manifest } from "../../src/export/manifest.ts";
import { saveModel } from "../../src/model/model-folder.ts";
import { pictureOf } from "../../src/network/staged-network.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { VERSION } from "../../src/version.ts";
import { CLASSES, EXITS, handMadeAgent, modelOf, network, wavyPixels } from "../inference/small.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-export-"));
const model = modelOf(handMadeAgent({ scale: 1.6, seed: 8, biases: [1, 0] }));
const runtime = createNodeRuntime({ threads: 1 });
const read = (...path: string[]): string => readFileSync(join(folder, ...path), "utf8");

beforeAll(() => saveModel(join(folder, "model"), model));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const figures = {
  samples: 1000,
  accuracy: 0.8765,
  costMacs: { mean: 9000, full: 12536 },
  savings: 0.282,
  policy: { name: "dqn", lambda: 0.1 },
  dataset: { name: "waves", split: "test", sha256: "ccc" },
  exits: [1, 2, 3].map((exit) => ({ exit, share: 1 / 3, accuracyIfAlways: 0.7 + exit / 20 })),
};

describe("exportModel", () => {
  test.each([
    ["onnx", {}, ["MODEL_CARD.md", "README.md", "manifest.json", "model.onnx"], 1],
    [
      "stages",
      {},
      ["MODEL_CARD.md", "README.md", "manifest.json", "stage-1.onnx", "stage-2.onnx", "stage-3.onnx"],
      null,
    ],
    [
      "stages",
      { batch: 5, lambda: 0.3 },
      ["MODEL_CARD.md", "README.md", "manifest.json", "stage-1.onnx", "stage-2.onnx", "stage-3.onnx"],
      5,
    ],
  ] as const)("%s %j", async (to, options, names, batch) => {
    const out = join(folder, `${to}-${batch}`);
    const { manifest, files, check } = await exportModel({ model, to, out, runtime, ...options });
    expect(readdirSync(out).sort()).toEqual(names);
    expect([...files].sort()).toEqual(names);
    expect(JSON.parse(readFileSync(join(out, "manifest.json"), "utf8"))).toEqual(manifest);
    const recommended = "lambda" in options ? options.lambda : 0.1;
    expect(manifest).toMatchObject({
      format: 1,
      version: VERSION,
      target: to,
      classes: CLASSES,
      image: {
        shape: [2, 8, 8],
        range: [0, 255],
        normalisation: { ...pictureOf(network).normalisation, inside: true },
      },
      lambda: { from: 0.01, to: 1, recommended },
      costs: model.policy.costs,
      batch,
      opset: 17,
      leastRuntime: "1.14",
    });
    for (const { file, sha256, bytes, operators } of manifest.files) {
      const content = readFileSync(join(out, file));
      expect(createHash("sha256").update(content).digest("hex")).toBe(sha256);
      expect(content.length).toBe(bytes);
      expect(operators).toContain("Conv");
    }
    expect(check.lambdas).toContain(recommended);
    expect(check.exits.reduce((a, b) => a + b)).toBe(check.pictures * check.lambdas.length);
    expect(check.exits.filter((count) => count > 0).length).toBeGreaterThan(1);
    expect(check.different).toBe(0);
    expect(check.largestDifference).toBeLessThan(1e-5);
  });

  test("compares on the pictures given, in as many runs as they need, and tells of it", async () => {
    const told: string[] = [];
    const pictures = wavyPixels(300, 3);
    const out = join(folder, "compared");
    const onProgress = (done: number, total: number): void => {
      told.push(`${done}/${total}`);
    };
    const { check } = await exportModel({ model, to: "stages", out, runtime, pictures, onProgress });
    expect(check).toMatchObject({ pictures: 300, different: 0 });
    expect(check.lambdas).toEqual([0.01, 0.1, 1]);
    expect(told).toEqual(["256/900", "300/900", "556/900", "600/900", "856/900", "900/900"]);
  });

  test("the same model gives the same bytes", async () => {
    const [once, again] = [await buildExport(model, { to: "stages" }), await buildExport(model, { to: "stages" })];
    expect(again.files).toEqual(once.files);
  });

  test("an earlier export is replaced as a whole, anything else is left alone", async () => {
    const out = join(folder, "again");
    await exportModel({ model, to: "stages", out, runtime });
    await exportModel({ model, to: "onnx", out, runtime });
    expect(readdirSync(out).sort()).toEqual(["MODEL_CARD.md", "README.md", "manifest.json", "model.onnx"]);
    writeFileSync(join(out, "notes.txt"), "mine");
    await expect(exportModel({ model, to: "stages", out, runtime })).rejects.toThrow(/found notes\.txt in it; choose/);
    expect(readdirSync(out)).toHaveLength(5);
    const foreign = join(folder, "foreign"); // names that an export has, but none of its manifests
    mkdirSync(foreign);
    writeFileSync(join(foreign, "README.md"), "mine");
    await expect(exportModel({ model, to: "onnx", out: foreign, runtime })).rejects.toThrow(/found README\.md in it/);
    expect(readFileSync(join(foreign, "README.md"), "utf8")).toBe("mine");
    expect(readdirSync(folder).filter((name) => name.includes(".tmp"))).toEqual([]);
    const file = join(folder, "file");
    writeFileSync(file, "");
    await expect(exportModel({ model, to: "onnx", out: file, runtime })).rejects.toThrow(UserError);
  });

  test("files that say something else than the classifier are an error, and nothing is left behind", async () => {
    mkdirSync(join(folder, "empty"));
    const broken: Runtime = {
      ...runtime,
      createSession: async (bytes, options) => {
        const session = await runtime.createSession(bytes, options);
        if (!session.outputNames.includes("cost")) return session; // one of the classifier's
        const run = session.run.bind(session);
        session.run = async (feeds: Parameters<typeof run>[0]) => {
          const results = await run(feeds);
          const { data } = results.probabilities as { data: Float32Array };
          data[0]! += 1e-3;
          return results;
        };
        return session;
      },
    };
    const before = readdirSync(folder).sort();
    for (const out of ["empty", "fresh"])
      await expect(exportModel({ model, to: "onnx", out: join(folder, out), runtime: broken })).rejects.toThrow(
        /picture 0 at lambda 0\.01: probabilities .* expected \(of the classifier\), found/,
      );
    expect(readdirSync(folder).sort()).toEqual(before);
    expect(readdirSync(join(folder, "empty"))).toEqual([]);
  });
});

describe("the comparison", () => {
  const manifest = { costs: { exitMacs: [10, 20], fullMacs: 18 } };
  const trace = (gap: number) => [
    { qExit: 0.5, qContinue: 0.5 + gap },
    { qExit: null, qContinue: null },
  ];
  const expected = (gap: number) => [{ exit: 2, probabilities: [0.25, 0.75], trace: trace(gap) }];
  const found = { classIndex: 1, probabilities: Float32Array.of(0.25, 0.75), exit: 2, cost: 20 };
  const earlier = { classIndex: 0, probabilities: Float32Array.of(0.9, 0.1), exit: 1, cost: 10 };

  test("takes another decision at a near tie only", () => {
    expect(compareAnswers(expected(0.2), [found], manifest, 0.1)).toMatchObject({ different: 0, exits: [0, 1] });
    expect(compareAnswers(expected(1e-5), [earlier], manifest, 0.1)).toMatchObject({ different: 1, exits: [1, 0] });
    expect(() => compareAnswers(expected(0.01), [earlier], manifest, 0.1)).toThrow(/exit 2 expected .*, found 1/);
    expect(() => compareAnswers(expected(Number.NaN), [earlier], manifest, 0.1)).toThrow(/exit 2 expected/);
    expect(() => compareAnswers(expected(0.2), [undefined], manifest, 0.1)).toThrow(/exit 2 expected .*, found none/);
    const twice = [...expected(1e-5), ...expected(1e-5)];
    expect(() => compareAnswers(twice, [earlier, earlier], manifest, 0.1)).toThrow(/at most 1 different decisions/);
  });

  test.each([
    [{ cost: 21 }, /cost 20 expected .*, found 21/],
    [{ classIndex: 0 }, /class 1 expected .*, found 0/],
    [{ probabilities: Float32Array.of(0.2498, 0.7502) }, /probabilities 0\.25,0\.75 expected/],
    [{ probabilities: Float32Array.of(0.25, Number.NaN) }, /probabilities 0\.25,0\.75 expected/],
  ])("refuses %j", (wrong, message) => {
    expect(() => compareAnswers(expected(0.2), [{ ...found, ...wrong }], manifest, 0.1)).toThrow(message);
  });
});

describe("the model card", () => {
  const cardOf = async (given: unknown): Promise<string> => {
    const { files } = await buildExport({ ...model, figures: given }, { to: "onnx", lambda: 0.3 });
    return new TextDecoder().decode(files.get("MODEL_CARD.md"));
  };

  test("says data, figures, lambda, limits, licence and version", async () => {
    const card = await cardOf(figures);
    for (const said of [
      "# Model card: three exits, 3 exits, 4 classes",
      "Dataset: waves.",
      "| validation | `bb` |",
      "On 1000 images of waves, test split (SHA-256 `ccc`), policy dqn at lambda 0.1: accuracy 87.65%",
      "savings 28.2%",
      "| 3 | 33.3% | 85.00% |",
      "Recommended: 0.3. The agent was trained for 0.01 to 1.",
      "| 0.01 | 90.00% | 1.23 k MACs | 10.0% |",
      "| 1 | 70.00% |",
      "one of its 4 classes whatever the picture shows: cat, dog, bird, fish.",
      "trained on pictures of 8x8 pixels and 2 channels",
      `MIT. Written by earlyexit ${VERSION}; trained by earlyexit 0.1.0, seed 7.`,
    ])
      expect(card).toContain(said);
  });

  test.each([[undefined], [{ accuracy: "good" }]])("without figures it says so: %j", async (none) => {
    expect(await cardOf(none)).toContain("None are stored in this model");
  });
});

describe("the README", () => {
  test.each([
    ["onnx", {}, ["session.run([", "## model.onnx", "`lambda` float32 scalar", "lambda_=0.1", "If"]],
    ["stages", {}, ["## stage-3.onnx", "`features` float32 [B, 6, 4, 4]", "given = {name: values[~leaves]"]],
    ["stages", { batch: 7 }, ["exactly 7 pictures", "np.resize(values, (7, ", "[7, 6, 4, 4]"]],
  ] as const)("%s %j shows how", async (to, options, said) => {
    const text = new TextDecoder().decode((await buildExport(model, { to, ...options })).files.get("README.md"));
    for (const one of said) expect(text).toContain(one);
    expect(text).not.toContain("undefined");
  });
});

describe("earlyexit export", () => {
  async function cli(...args: string[]) {
    const said = { stdout: "", stderr: "" };
    const spies = (["stdout", "stderr"] as const).map((name) =>
      vi.spyOn(process[name], "write").mockImplementation((text) => {
        said[name] += text;
        return true;
      }),
    );
    const code = await runCli(["export", ...args]);
    for (const spy of spies) spy.mockRestore();
    return { code, ...said };
  }
  const from = ["--model", join(folder, "model")];

  test("writes the folder and says what was checked", async () => {
    const out = join(folder, "by-command");
    const { code, stdout, stderr } = await cli(
      ...from,
      "--to",
      "stages",
      "--out",
      out,
      "--batch",
      "2",
      "--lambda",
      "0.5",
    );
    expect(code).toBe(0);
    const manifest: Manifest = JSON.parse(read("by-command", "manifest.json"));
    expect(manifest).toMatchObject({ target: "stages", batch: 2, lambda: { recommended: 0.5 } });
    for (const { file, sha256 } of manifest.files) expect(stdout).toMatch(new RegExp(`${file}: .*${sha256}`));
    expect(manifest.files).toHaveLength(EXITS);
    expect(stderr).toMatch(/checked on 64 pictures at 4 lambdas \(.* answers at exits 1 to 3\): 0 decisions differ/);
  });

  test.each([
    [[...from, "--to", "coreml", "--out", "x"], /'coreml' is invalid\. Allowed choices are onnx, stages/],
    [[...from, "--out", "x"], /--to/],
    [[...from, "--to", "onnx"], /--out/],
    [[...from, "--to", "onnx", "--out", "x", "--batch", "4"], /batch of 1 expected with onnx .*, found 4/],
    [[...from, "--to", "stages", "--out", "x", "--batch", "0"], /--batch: a whole number .* expected, found 0/],
    [[...from, "--to", "onnx", "--out", "x", "--lambda", "5"], /lambda: 0\.01 to 1 expected .*, found 5/],
    [["--model", "/nowhere", "--to", "onnx", "--out", "x"], /model folder with model\.json expected/],
  ])("%j is the user's mistake", async (args, message) => {
    const { code, stdout, stderr } = await cli(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
    expect(existsSync("x")).toBe(false);
  });

  test("a model without a policy is refused", async () => {
    await saveModel(join(folder, "bare"), { network, policy: null });
    const { code, stderr } = await cli("--model", join(folder, "bare"), "--to", "onnx", "--out", join(folder, "x"));
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /export: a model with a policy expected, found a network alone; run 'earlyexit learn' first/,
    );
  });

  test("a policy priced in another unit is refused: the files would call it MACs", async () => {
    await saveModel(join(folder, "timed"), { network, policy: { ...model.policy!, costUnit: "ms" } });
    const { code, stderr } = await cli("--model", join(folder, "timed"), "--to", "onnx", "--out", join(folder, "x"));
    expect(code).toBe(2);
    expect(stderr).toMatch(/export: a policy priced in MACs expected, found one in ms; run/);
  });
});
