import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { expectClose } from "../graph/check.ts";
import type { DeviceResults } from "./devices.ts";

/** Where Debian's Chromium has its software driver for Vulkan, which WebGPU in Node can use like a graphics processor's. */
const DRIVERS = "/usr/lib/chromium";
const driver = `${DRIVERS}/vk_swiftshader_icd.json`;
const isThere = existsSync(driver) && existsSync(`${DRIVERS}/libvulkan.so.1`);
if (!isThere) {
  if (process.env.CI)
    throw new Error(
      "the tests of WebGPU in Node: Chromium's software driver expected, found none; install Debian's chromium",
    );
  console.warn("The tests of WebGPU in Node are skipped: Chromium's software driver not found.");
}

test.skipIf(!isThere)(
  "WebGPU trains and answers as the CPU does, its variables staying on the device",
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--import", "tsx", fileURLToPath(new URL("devices.ts", import.meta.url))],
      { env: { ...process.env, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: DRIVERS } },
    );
    const { cpu, webgpu } = JSON.parse(stdout) as Record<"cpu" | "webgpu", DeviceResults>;
    expect(cpu.states).toEqual([
      [111, 112, 12],
      [11_111, 11_112, 100],
    ]);
    expect(webgpu.states).toEqual(cpu.states);
    expect(cpu.locations).toEqual(["cpu", "cpu", "cpu"]);
    expect(webgpu.locations).toEqual(["cpu", "gpu-buffer", "gpu-buffer"]);
    expect(new Set(cpu.exits).size).toBeGreaterThan(1);
    expect(webgpu.exits).toEqual(cpu.exits);
    // Float32 in another order of sums, through a few layers, then through four steps.
    expectClose(webgpu.probabilities, cpu.probabilities, 1e-5);
    expect(cpu.losses).toHaveLength(4);
    expectClose(webgpu.losses, cpu.losses, 1e-4);
    expectClose(webgpu.weights, cpu.weights, 1e-4);
  },
  240_000,
);
