// Packs the package, installs it into an empty project and uses it there: the import, the types and the command must work.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "earlyexit-package-"));
const web = mkdtempSync(join(tmpdir(), "earlyexit-web-")); // for a browser alone; not below the other, whose packages it would see
const run = (command, args, cwd = folder) => {
  process.stdout.write(`$ ${command} ${args.join(" ")}\n`);
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
};

function expect(what, found, isRight) {
  if (!isRight) throw new Error(`package: ${what} expected, found ${found}`);
  process.stdout.write(`${what}: ok\n`);
}

try {
  run("npm", ["pack", "--silent", "--pack-destination", folder], root);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  run("npm", ["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", archive]);
  const { version } = JSON.parse(
    execFileSync("node", ["-p", "JSON.stringify(require('./package.json'))"], { cwd: root, encoding: "utf8" }),
  );
  const cli = run("npx", ["--no-install", "earlyexit", "--version"]).trim();
  expect(`the command prints version ${version}`, cli, cli === version);
  writeFileSync(
    join(folder, "use.mjs"),
    `import { builtInBlueprint, networkCost, openDataset } from "earlyexit";
     const { fullMacs } = networkCost(builtInBlueprint("classic"), 10);
     const { test } = await openDataset("shapes");
     console.log(fullMacs > 209e6, test.count);`,
  );
  const used = run("node", ["use.mjs"]).trim();
  expect("the import works", used, used === "true 2000");
  const shipped = ["dist/page/index.html", "models/cifar10/model.json", "models/shapes/model.json"];
  const missing = shipped.filter((file) => !existsSync(join(folder, "node_modules/earlyexit", file)));
  expect("the page and its models come along", `none of ${missing}`, missing.length === 0);

  writeFileSync(join(web, "package.json"), JSON.stringify({ name: "web", private: true, type: "module" }));
  const { "onnxruntime-web": range } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).peerDependencies;
  const packages = [join(folder, archive), `onnxruntime-web@${range}`, "--omit=optional"];
  run("npm", ["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", ...packages], web);
  const hasNode = existsSync(join(web, "node_modules/onnxruntime-node"));
  expect("onnxruntime-node is optional", "it", !hasNode);
  writeFileSync(
    join(web, "use.mjs"),
    'import { AdaptiveClassifier } from "earlyexit/web"; console.log(typeof AdaptiveClassifier.load);',
  );
  const imported = run("node", ["use.mjs"], web).trim();
  expect("earlyexit/web does without it", imported, imported === "function");
  const told = spawnSync("node", ["node_modules/earlyexit/dist/cli/main.js", "evaluate"], {
    cwd: web,
    encoding: "utf8",
  });
  expect(
    "the command says what is missing",
    told.stderr,
    told.stderr.startsWith("earlyexit: the package onnxruntime-node expected") && told.status === 2,
  );
} finally {
  for (const one of [folder, web]) rmSync(one, { recursive: true, force: true });
}
