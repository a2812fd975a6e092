/** Two services, one Postgres, nginx before them, with the configuration that is shipped: processes in place of containers. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { answerSchema } from "../src/schemas.ts";
import { openStore } from "../src/store/open-store.ts";
import { MODEL, picture } from "./pictures.ts";
import { freePort, hasPostgres, startPostgres } from "./postgres.ts";

const NGINX = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"]
  .map((folder) => join(folder, "nginx"))
  .find((path) => existsSync(path));
if (!NGINX) process.stderr.write("no nginx here (Debian: nginx): its test is skipped\n");
const COMMAND = new URL("../../dist/cli/main.js", import.meta.url).pathname;

async function startService(store: string): Promise<{ child: ChildProcess; url: string }> {
  const args = [COMMAND, "serve", "--model", MODEL, "--port", "0", "--workers", "1", "--quiet", "--store", store];
  const child = spawn(process.execPath, [...args, "--slo-ms", "60000"], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await once(child.stdout!, "data");
  return { child, url: String(text).trim() };
}

/** The shipped file with the addresses of this test. */
function configuration(folder: string, port: number, urls: readonly string[]): string {
  let text = readFileSync(new URL("../nginx.conf", import.meta.url), "utf8");
  for (const [i, url] of urls.entries()) text = text.replace(`serve-${i + 1}:8080`, new URL(url).host);
  text = text.replace("listen 8080;", `listen 127.0.0.1:${port};`).replaceAll("/tmp/", `${folder}/`);
  return text.replace("pid ", "daemon off;\npid ");
}

test.skipIf(!NGINX || !hasPostgres)("one of two is killed: every request is answered, every label kept", async () => {
  const folder = mkdtempSync(join(tmpdir(), "earlyexit-replicas-"));
  const postgres = await startPostgres();
  const store = await postgres.create("replicas");
  const services = await Promise.all([startService(store), startService(store)]); // both migrate
  const port = await freePort();
  const file = join(folder, "nginx.conf");
  const urls = services.map(({ url }) => url);
  writeFileSync(file, configuration(folder, port, urls));
  const nginx = spawn(NGINX!, ["-c", file, "-e", "stderr"], { stdio: "ignore" });
  const proxy = `http://127.0.0.1:${port}`;
  const bytes = new Uint8Array(await picture(3));
  try {
    const isUp = (): Promise<number> =>
      fetch(`${proxy}/readyz`)
        .then(({ status }) => status)
        .catch(() => 0);
    await expect.poll(isUp, { timeout: 30_000 }).toBe(200);
    const ids: string[] = [];
    const one = async (i: number): Promise<number> => {
      if (i === 30) services[0]!.child.kill("SIGKILL");
      const answer = await fetch(`${proxy}/v1/classify`, { method: "POST", body: bytes });
      if (!answer.ok) return answer.status;
      const { id, class: label } = answerSchema.parse(await answer.json());
      const headers = { "content-type": "application/json" };
      const kept = await fetch(`${proxy}/v1/feedback`, {
        method: "POST",
        headers,
        body: JSON.stringify({ id, label }),
      });
      if (kept.ok) ids.push(id);
      return kept.status;
    };
    const statuses = await Promise.all(
      [0, 1, 2, 3].map(async (lane) => {
        const found: number[] = [];
        for (let i = lane; i < 100; i += 4) found.push(await one(i));
        return found;
      }),
    );
    expect(statuses.flat()).toEqual(Array(100).fill(200));
    const reader = await openStore(store);
    expect(await reader.labelled(ids)).toBe(100);
    await reader.close();
  } finally {
    const exits = [nginx, services[1]!.child].map((child) => once(child, "exit"));
    nginx.kill("SIGQUIT");
    services[1]!.child.kill("SIGTERM");
    await Promise.all(exits);
    await postgres.end();
    rmSync(folder, { recursive: true, force: true });
  }
});
