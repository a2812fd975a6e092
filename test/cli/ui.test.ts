/** `earlyexit ui` as a process: needs the built package, which `npm test` makes first. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/model/model-folder.ts";
import { tinyModel } from "../inference/tiny-model.ts";

const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "earlyexit-ui-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ui(...options: string[]) {
  const child = spawn(process.execPath, [COMMAND, "ui", ...options], { stdio: ["ignore", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  const ended = once(child, "close").then(([code]) => code as number);
  return { child, texts, ended };
}

describe("ui", () => {
  test("prints its address, offers the given model before its own, and ends with Ctrl-C", async () => {
    const model = join(folder, "mine");
    await saveModel(model, tinyModel());
    const { child, texts, ended } = ui("--port", "0", "--model", model, "--run", join(folder, "later"));
    await expect.poll(() => texts.stdout, { timeout: 60_000 }).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\n$/);
    const address = texts.stdout.trim();
    const offered = (await (await fetch(`${address}api/models`)).json()) as { id: string; title: string }[];
    expect(offered.map(({ id }) => id)).toEqual(["model", "shapes", "cifar10"]);
    expect(offered[0]!.title).toBe("mine");
    for (const { id } of offered) expect((await fetch(`${address}models/${id}/model.json`)).status).toBe(200);
    expect(await (await fetch(`${address}api/run`)).json()).toEqual({ folder: join(folder, "later") });
    child.kill("SIGINT");
    expect(await ended).toBe(0);
  });

  test.each([
    [["--model", join(folder, "nowhere")], "a model folder with model.json expected"],
    [["--port", "http"], "--port: a whole number from 0 to 65535 expected, found http"],
  ])("%s is told in one line", async (options, message) => {
    const { texts, ended } = ui(...options);
    expect(await ended).toBe(2);
    expect(texts.stderr).toContain(message);
    expect(texts.stdout).toBe("");
  });

  test("a network without a policy is told", async () => {
    const model = join(folder, "network");
    await saveModel(model, { ...tinyModel(), policy: null });
    const { texts, ended } = ui("--model", model);
    expect(await ended).toBe(2);
    expect(texts.stderr).toContain("a model with a policy expected, found a network alone");
  });
});
