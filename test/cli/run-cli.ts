/** The command line in this process: its exit code and what it wrote. */
import { runCli } from "../../src/cli/cli.ts";

export async function runHere(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { code: 0, stdout: "", stderr: "" };
  const originals = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ["stdout", "stderr"] as const)
    process[name].write = ((text: string) => {
      written[name] += text;
      return true;
    }) as typeof process.stdout.write;
  try {
    written.code = await runCli(args);
  } finally {
    Object.assign(process.stdout, { write: originals.stdout });
    Object.assign(process.stderr, { write: originals.stderr });
  }
  return written;
}
