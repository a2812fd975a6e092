/** ONNX Runtime tells nobody that it is used: no file in an empty home, no connection, by command, API, thread and service alike. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
const COMMAND = join(root, "dist/cli/main.js");
const API = JSON.stringify(join(root, "dist/index.js"));
const MODEL = join(root, "models/shapes");
const folder = mkdtempSync(join(tmpdir(), "earlyexit-telemetry-"));
const picture = join(folder, "picture.png");
const hasStrace = spawnSync("strace", ["-V"]).status === 0;

beforeAll(async () => {
  const grey = { width: 32, height: 32, channels: 3, background: "grey" } as const;
  writeFileSync(picture, await sharp({ create: grey }).png().toBuffer());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Classifies one picture, then stays for a second: what reports usage does so after a while. */
const CLASSIFY = `
  const { AdaptiveClassifier } = await import(${API});
  const classifier = await AdaptiveClassifier.load(${JSON.stringify(MODEL)}, { threads: 1 });
  await classifier.classify(${JSON.stringify(picture)});
  await new Promise((done) => setTimeout(done, 1000));
  await classifier.close();`;

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What stops ONNX Runtime's reports by itself: under any of these there would be nothing to see whatever we do. */
const SILENCING = new Set([
  ...["ORT_DISABLE_TELEMETRY", "CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL"],
  ...["CODEBUILD_BUILD_ID", "BUILDKITE", "TEAMCITY_VERSION", "APPVEYOR", "BITBUCKET_BUILD_NUMBER"],
]);

/** Files that appeared in home and temporary folder, and addresses that were asked for (none where strace is missing). */
function traces(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const home = mkdtempSync(join(folder, "home-"));
  const temporary = join(home, "tmp");
  mkdirSync(temporary);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SILENCING.has(name)));
  const log = join(folder, "connections");
  const strace = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", log];
  const [program, ...all] = [...(hasStrace ? strace : []), process.execPath, ...args];
  const ended = spawnSync(program!, all, {
    env: { ...env, HOME: home, TMPDIR: temporary, ...environment },
    encoding: "utf8",
  });
  const files = readdirSync(home, { recursive: true, encoding: "utf8" }).filter((name) => name !== "tmp");
  const connections = hasStrace ? readFileSync(log, "utf8").match(/connect\(.*sa_family=AF_INET.*/g) : null;
  return { code: ended.status, error: ended.stderr, files, connections: connections ?? [] };
}

const NOTHING = { code: 0, files: [], connections: [] };

test("the command leaves nothing behind", () => {
  expect(traces([COMMAND, "classify", picture])).toMatchObject(NOTHING);
});

test("nor does the API", () => {
  expect(traces([script("api.mjs", CLASSIFY)])).toMatchObject(NOTHING);
});

test("nor does a thread of a program that imports the API", () => {
  const worker = JSON.stringify(script("thread.mjs", CLASSIFY));
  const main = `import ${API}; import { Worker } from "node:worker_threads"; new Worker(${worker});`;
  expect(traces([script("main.mjs", main)])).toMatchObject(NOTHING);
});

test("nor does a thread that alone imports the API, its environment a copy and its main thread busy", () => {
  const worker = JSON.stringify(script("thread.mjs", CLASSIFY));
  const main = `import { Worker } from "node:worker_threads"; new Worker(${worker}, { env: { HOME: process.env.HOME } });
    setTimeout(() => { for (const end = Date.now() + 2000; Date.now() < end; ); }, 100);`;
  expect(traces([script("alone.mjs", main)])).toMatchObject(NOTHING);
});

test("a user who wants it says so, and then something is seen: this test would notice", () => {
  const { code, files } = traces([script("api.mjs", CLASSIFY)], { ORT_DISABLE_TELEMETRY: "0" });
  expect(code).toBe(0);
  if (process.platform === "linux") expect(files).not.toEqual([]);
});
