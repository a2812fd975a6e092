/** Processes that bench:serve starts, and how it speaks with them. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import type { LoadJob, LoadResult } from "./load.ts";

const root = new URL("../../", import.meta.url);

export interface Started {
  readonly url: string;
  end(): Promise<void>;
}

/** `earlyexit serve` as it is installed, on this computer alone. */
export async function startService(
  model: string,
  options: readonly string[],
): Promise<Started & { readonly pid: number }> {
  const command = new URL("dist/cli/main.js", root).pathname;
  const args = [command, "serve", "--model", model, "--port", "0", "--quiet", ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = await Promise.race([
    once(child.stdout!, "data"),
    once(child, "exit").then(([code]) =>
      Promise.reject(new Error(`the service: an address expected, found exit ${code}`)),
    ),
  ]);
  return { url: String(text).trim(), pid: child.pid!, end: () => ended(child, () => child.kill("SIGTERM")) };
}

export async function startPeer(args: readonly string[]): Promise<Started> {
  const child = fork(new URL("peer.ts", import.meta.url), args, { execArgv: ["--import", "tsx"] });
  const [url] = await once(child, "message");
  return { url, end: () => ended(child, () => child.disconnect()) };
}

export interface LoadProcess {
  send(job: LoadJob): Promise<LoadResult>;
  end(): Promise<void>;
}

export function startLoad(): LoadProcess {
  const child = fork(new URL("load.ts", import.meta.url), { execArgv: ["--import", "tsx"], serialization: "advanced" });
  return {
    async send(job) {
      child.send(job);
      const [result] = await once(child, "message");
      return result;
    },
    end: () => ended(child, () => child.disconnect()),
  };
}

async function ended(child: ChildProcess, tell: () => void): Promise<void> {
  const exit = once(child, "exit");
  tell();
  await exit;
}
