// Every relative link of every Markdown file leads to a file or folder of the repository, and every #anchor to a heading.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const files = execFileSync("git", ["ls-files", "*.md"], { cwd: root, encoding: "utf8" }).trim().split("\n");

/** As GitHub and typedoc make them: small letters, blanks as dashes, nothing else but letters, digits and dashes. */
const anchorOf = (heading) =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

const withoutCode = (text) => text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, "");
const anchorsOf = (path) =>
  new Set(
    [
      ...readFileSync(path, "utf8")
        .replace(/^```.*?^```/gms, "")
        .matchAll(/^#+ (.*)$/gm),
    ].map(([, one]) => anchorOf(one)),
  );

const wrong = [];
let count = 0;
for (const file of files) {
  for (const [, target] of withoutCode(readFileSync(join(root, file), "utf8")).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    count++;
    const [path, anchor] = target.split("#");
    const to = path === "" ? join(root, file) : join(root, dirname(file), path);
    if (!existsSync(to)) wrong.push(`${file}: a file at ${target} expected, found none`);
    else if (anchor && (statSync(to).isDirectory() || !anchorsOf(to).has(anchor)))
      wrong.push(`${file}: a heading #${anchor} in ${path || file} expected, found none`);
  }
}
for (const one of wrong) process.stderr.write(`${one}\n`);
if (wrong.length > 0) process.exit(1);
process.stdout.write(`${count} links of ${files.length} files lead somewhere\n`);
