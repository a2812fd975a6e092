/** `earlyexit bench` from its options to what it prints. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { SHAPE_CLASSES } from "../../src/dataset/shape-drawing.ts";
import { plainRule } from "../../src/exits/answers.ts";
import { stateWidth } from "../../src/exits/observation.ts";
import { saveModel } from "../../src/model/model-folder.ts";
import { parseBlueprint } from "../../src/network/blueprint.ts";
import { type BlueprintNetwork, blueprintNetwork } from "../../src/network/blueprint-network.ts";
import { exitCosts } from "../../src/policy/exit-costs.ts";
import { initialQWeights } from "../../src/policy/q-network.ts";
import { tinyModel } from "../inference/tiny-model.ts";
import { randomWeights } from "../network/small.ts";

const folder = mkdtempSync(join(tmpdir(), "earlyexit-bench-"));
const head = [{ type: "globalAveragePool" }, { type: "linear", features: "classes" }];
const conv = (channels: number) => [{ type: "conv", channels, stride: 2 }, { type: "relu" }];
const blueprint = parseBlueprint({
  name: "two exits",
  input: [3, 32, 32],
  stages: [
    { layers: conv(4), head },
    { layers: conv(4), head },
  ],
});

beforeAll(async () => {
  const { network, policy } = tinyModel();
  const classes = SHAPE_CLASSES.length;
  const shape = { inputs: stateWidth(2, classes) + 1, hidden: [4], dueling: false };
  const agent = { ...policy.agent, exits: 2, ...plainRule(2), hidden: [4], weights: initialQWeights(shape, 1) };
  const validation = { ...policy.validation!, exits: 2, logits: new Float32Array(2 * classes) };
  const calibration = policy.calibration.map((point) => ({ ...point, exitShares: [0.5, 0.5] }));
  const parts = { ...(network as BlueprintNetwork), blueprint, weights: randomWeights(blueprint, classes, 1) };
  const own = blueprintNetwork(parts);
  const small = {
    network: own,
    policy: { ...policy, agent, costs: exitCosts(own, agent), validation, calibration },
  };
  await saveModel(join(folder, "model"), small);
  const renamed = SHAPE_CLASSES.map((name) => `${name}s`);
  await saveModel(join(folder, "other"), { ...small, network: blueprintNetwork({ ...own, classes: renamed }) });
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true }));

async function bench(model: string, ...args: string[]) {
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += text;
      return true;
    });
  const code = await runCli(["bench", "--model", join(folder, model), "--images", "30", "--threads", "1", ...args]);
  return { code, ...written };
}

test("--json prints one object and nothing else", async () => {
  const { code, stdout } = await bench("model", "--json");
  expect(code).toBe(0);
  const figures = JSON.parse(stdout);
  expect(figures.threads).toBe(1);
  expect(figures.stages.filter(({ batch }: { batch: number }) => batch === 1)).toHaveLength(2);
  // the recommended lambda and four over the range, of which it is none
  const lambdas = figures.adaptive.slice(0, 5).map(({ lambda }: { lambda: number }) => Number(lambda.toPrecision(3)));
  expect(lambdas).toEqual([0.01, 0.0464, 0.1, 0.215, 1]);
  for (const { accuracy } of figures.adaptive) expect(accuracy * 30).toBeCloseTo(Math.round(accuracy * 30), 6);
  for (const { cpuMsPerImage } of figures.full) expect(cpuMsPerImage).toBeGreaterThan(0);
});

test("images of other classes are refused in one line", async () => {
  const { code, stdout, stderr } = await bench("other", "--dataset", "shapes");
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr.trim().split("\n").at(-1)).toMatch(
    /^earlyexit: bench: 3x32x32 images of .+s expected, found 3x32x32 images of .+ in shapes; give the images of the model$/,
  );
});

test("another network is timed beside it, and one for other images is refused in one line", async () => {
  const { code, stdout } = await bench("model", "--json", "--against", "tiny");
  expect(code).toBe(0);
  const { against } = JSON.parse(stdout);
  expect(against.map(({ name, batch }: { name: string; batch: number }) => `${name} ${batch}`)).toEqual([
    "tiny 1",
    "tiny 32",
    "tiny 256",
  ]);
  const small = join(folder, "small.json");
  writeFileSync(small, JSON.stringify({ ...blueprint, name: "small", input: [3, 16, 16] }));
  const refused = await bench("model", "--against", small);
  expect(refused.code).toBe(2);
  expect(refused.stderr.trim().split("\n").at(-1)).toBe(
    "earlyexit: against: a network for [3, 32, 32] images expected, found small for [3, 16, 16]; choose another one",
  );
});

test("batch sizes of one's own", { timeout: 60_000 }, async () => {
  const { code, stdout } = await bench("model", "--dataset", "shapes", "--batches", "1,4", "--json");
  expect(code).toBe(0);
  const { full, stages } = JSON.parse(stdout);
  expect(full.map(({ batch }: { batch: number }) => batch)).toEqual([1, 4]);
  expect(new Set(stages.map(({ batch }: { batch: number }) => batch))).toEqual(new Set([1, 4]));
  for (const wrong of ["4", "1,1", "1,x", "0"]) {
    const refused = await bench("model", "--batches", wrong);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/--batches: rising whole numbers up to 4096 that begin with 1 expected, found/);
  }
});
