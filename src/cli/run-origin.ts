/** Where a run is computed: the command as it was typed, the commit, the machine, the versions. Nothing of it decides the result. */
import { execFile } from "node:child_process";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { promisify } from "node:util";
import type { RunOrigin } from "../model/run-folder.ts";
import { ORT_VERSION, VERSION } from "../version.ts";

/** A repository so large that it takes longer is not waited for. */
const PATIENCE_MS = 3000;

/** @param args of the command line, without Node and the script */
export async function originOf(args: readonly string[]): Promise<RunOrigin> {
  return {
    command: commandText(args),
    commit: await commitHere(),
    machine: { cpu: cpus()[0]?.model.trim() ?? "unknown", cores: availableParallelism(), memoryBytes: totalmem() },
    versions: { earlyexit: VERSION, "ONNX Runtime": ORT_VERSION, Node: process.version, [type()]: release() },
    startedAt: new Date().toISOString(),
  };
}

/** As it may be shown to others: of absolute paths the last name alone, of addresses no password. */
export function commandText(args: readonly string[]): string {
  return ["earlyexit", ...args.map((one) => quoted(withoutPlaces(one)))].join(" ");
}

const ABSOLUTE = /^(?:file:\/\/)?(?:\/|[a-z]:[\\/]|\\\\|~[\\/])/i;
const SECRET = /([a-z][a-z\d+.-]*:\/\/)[^/@\s]*@/gi;

/** @param text an argument: a word, a path, or `NAME=PATH` */
function withoutPlaces(text: string): string {
  const value = ABSOLUTE.test(text) ? 0 : text.indexOf("=") + 1;
  const [before, after] = [text.slice(0, value), text.slice(value)];
  if (ABSOLUTE.test(after)) return `${before}.../${after.split(/[\\/]/).filter(Boolean).at(-1) ?? ""}`;
  return text.replace(SECRET, "$1...@");
}

/** As a POSIX shell takes it. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** null outside of a repository, or where there is no git. */
async function commitHere(): Promise<string | null> {
  const described = ["describe", "--always", "--dirty", "--abbrev=12"];
  const git = promisify(execFile)("git", ["-c", "core.fsmonitor=false", ...described], { timeout: PATIENCE_MS });
  return git.then(
    ({ stdout }) => stdout.trim() || null,
    () => null,
  );
}
