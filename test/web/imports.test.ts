/** A page gets nothing of Node: what `earlyexit/web` loads, file by file. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const SOURCE = new URL("../../src", import.meta.url).pathname;

/** Everything that a file imports when it runs: types are erased. */
function runtimeImports(file: string): string[] {
  const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const statements = text.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;"']*?\bfrom\s*)?["']([^"']+)["']/gm);
  const calls = text.matchAll(/\b(?:import|require)\(\s*["']([^"']+)["']/g);
  return [...statements, ...calls].map(([, name]) => name!);
}

/** The files reached from one of them, and the packages that they import. */
function importGraph(entry: string): { files: Set<string>; packages: Set<string> } {
  const [files, packages] = [new Set<string>(), new Set<string>()];
  const waiting = [entry];
  for (let file = waiting.pop(); file; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const name of runtimeImports(file)) {
      if (name.startsWith(".")) waiting.push(join(dirname(file), name));
      else packages.add(name);
    }
  }
  return { files, packages };
}

test("the walk itself finds Node where it is", () => {
  const { packages } = importGraph(join(SOURCE, "index.ts"));
  expect([...packages]).toEqual(expect.arrayContaining(["node:fs/promises", "sharp", "onnxruntime-node", "zod"]));
});

test("earlyexit/web needs a browser, and these packages", () => {
  const { files, packages } = importGraph(join(SOURCE, "web.ts"));
  expect([...packages].sort()).toEqual([
    "@bufbuild/protobuf",
    "@bufbuild/protobuf/codegenv2",
    "@noble/hashes/sha2.js",
    "@noble/hashes/utils.js",
    "@petamoriken/float16",
    "ml-matrix",
    "onnxruntime-common",
    "onnxruntime-web/wasm",
    "onnxruntime-web/webgpu",
    "pure-rand/distribution/uniformFloat32",
    "pure-rand/distribution/uniformFloat64",
    "pure-rand/distribution/uniformInt",
    "pure-rand/generator/xoroshiro128plus",
    "zod",
  ]);
  const folders = new Set([...files].map((file) => relative(SOURCE, file).split("/")[0]));
  for (const none of ["cli", "server"]) expect(folders).not.toContain(none);
  const ofReport = [...files].map((file) => relative(SOURCE, file)).filter((file) => file.startsWith("report/"));
  expect(ofReport).toEqual(["report/format.ts"]); // how the card of an export writes numbers
});

test("each ONNX Runtime is imported in one file only", () => {
  const users = new Map<string, string[]>();
  for (const name of readdirSync(SOURCE, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    for (const found of runtimeImports(join(SOURCE, name)))
      if (/^onnxruntime-(node|web)/.test(found)) users.set(found, [...(users.get(found) ?? []), name]);
  }
  expect(Object.fromEntries(users)).toEqual({
    "onnxruntime-node": ["runtime/node.ts"],
    "onnxruntime-web/wasm": ["runtime/web.ts"],
    "onnxruntime-web/webgpu": ["runtime/web.ts"],
  });
});

test("the page sees the package through its public API alone", () => {
  const web = new URL("../../web", import.meta.url).pathname;
  const { files, packages } = importGraph(join(web, "app/main.tsx"));
  for (const one of importGraph(join(web, "app/answering.ts")).packages) packages.add(one);
  expect([...packages].sort()).toEqual(["@observablehq/plot", "earlyexit/web", "fflate", "preact", "preact/hooks"]);
  const others = [...files].map((file) => relative(web, file)).filter((file) => file.startsWith(".."));
  const asInTerminal = ["format", "names", "verdict"].map((name) => `../src/report/${name}.ts`);
  expect(others.sort()).toEqual(asInTerminal); // how the terminal writes numbers and sentences
  expect(runtimeImports(join(web, "app/worker.ts")).sort()).toEqual([
    "../../src/runtime/begin-runtime.ts", // a worker's first step is short, and begins ONNX Runtime
    "../../src/runtime/web.ts",
    "./answering.ts",
    "./threads.ts",
  ]);
});
