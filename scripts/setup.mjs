// Installs the dependencies and builds, each only if something changed. Used by npm start, npm test and npm run setup.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const installed = "node_modules/.package-lock.json";

function isOlder(file, than) {
  return !existsSync(`${root}${file}`) || statSync(`${root}${file}`).mtimeMs < statSync(`${root}${than}`).mtimeMs;
}

function run(command, args) {
  // npm's scripts are started through npm itself, so that the same code works on Windows
  execFileSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
}

// Not `npm ci`: it refuses a lock file that lacks the optional binaries of other platforms. The locked versions are taken all the same.
if (isOlder(installed, "package-lock.json")) run("npm", ["install", "--no-save", "--no-audit", "--no-fund"]);
run("npm", ["run", "--silent", "build"]);
