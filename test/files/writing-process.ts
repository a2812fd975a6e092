/** A process for tests: opens the folder, says so, then replaces its files over and over until it is killed. */
import { openFolder } from "../../src/files/writer.ts";

const [, , path, mode] = process.argv;
const folder = await openFolder(path!);
process.stdout.write("open\n");
if (mode === "hold") setInterval(() => undefined, 1000);
else
  for (let version = 1; ; version++) {
    const files = Array.from({ length: 5 }, (_, i): [string, string] => [`part-${i}`, `${version} `.repeat(2000)]);
    if (version % 2) files.pop(); // and sometimes one is removed
    await folder.replace(new Map([...files, ["main", String(version)]]), version % 2 ? ["part-4"] : []);
  }
