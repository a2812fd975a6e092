// Installs the dependencies of both packages and builds them, each only if something changed. Used by npm start, npm test and npm run setup.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, rmSync, statSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const isWindows = process.platform === "win32";

function isOlder(file, than) {
  return !existsSync(root + file) || statSync(root + file).mtimeMs < statSync(root + than).mtimeMs;
}

function npm(...args) {
  execFileSync("npm", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell: isWindows });
}

/** So that `npx earlyexit` works in this folder as it does where the package is installed. */
function linkCommand() {
  const [command, link] = [`${root}dist/cli/main.js`, `${root}node_modules/.bin/earlyexit`];
  chmodSync(command, 0o755);
  rmSync(link, { force: true });
  symlinkSync("../../dist/cli/main.js", link);
}

if (isOlder("node_modules/.package-lock.json", "package-lock.json")) npm("ci", "--no-audit", "--no-fund");
npm("run", "--silent", "build");
if (!isWindows) linkCommand();
