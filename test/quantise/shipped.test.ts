import { statSync } from "node:fs";
import { expect, test } from "vitest";
import { leastAgreement } from "../../src/measure/twin.ts";
import { loadModel } from "../../src/model/model-folder.ts";
import { findTwin } from "../../src/model/twin-folder.ts";

test("models/cifar10-int8 is models/cifar10 in 8 bits, below 2 MiB, and answers nearly alike", async () => {
  const [float, small] = [await loadModel("models/cifar10"), await loadModel("models/cifar10-int8")];
  expect(small.network.precision).toBe("int8");
  expect(small.network.provenance).toEqual({ ...float.network.provenance, quantisedFrom: float.network.sha256 });
  expect(await findTwin("models/cifar10", float.network)).toBe("models/cifar10-int8");
  expect(await findTwin("models/cifar10-int8", small.network)).toBeNull();
  expect(small.network.stages.map(({ macs }) => macs)).toEqual(float.network.stages.map(({ macs }) => macs));
  expect(statSync("models/cifar10-int8/network.safetensors").size).toBeLessThan(2 * 2 ** 20);
  const [before, after] = [float.policy!.validation!, small.policy!.validation!];
  expect(after.labels).toEqual(before.labels);
  expect(leastAgreement(before, after)).toBeCloseTo(0.9862, 4); // of 5,000 images, at exit 3
});
