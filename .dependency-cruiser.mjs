// The order of the folders: imports point only upward in this list (a folder imports from those above it), and never in a circle.
const ORDER = [
  "graph",
  "runtime",
  "files",
  "onnx",
  "dataset",
  "network",
  "quantise",
  "training",
  "exits",
  "yardsticks",
  "policy",
  "model",
  "inference",
  "evaluation",
  "measure",
  "report",
  "export",
  "story",
  "server",
  "cli",
];

const folders = (names) => `^src/(${names.join("|")})/`;
const error = (name, comment, from, to) => ({ name, severity: "error", comment, from, to });

export default {
  forbidden: [
    ...ORDER.slice(0, -1).map((name, at) =>
      error(
        `${name}-imports-from-above`,
        `src/${name} imports only from folders above it in ${import.meta.url.split("/").at(-1)}`,
        { path: folders([name]) },
        { path: folders(ORDER.slice(at + 1)) },
      ),
    ),
    error(
      "known-folder",
      "a new folder takes its place in the order",
      { path: "^src/[^/]+/", pathNot: folders(ORDER) },
      {},
    ),
    error("no-circle", "files that import each other cannot be read one after the other", {}, { circular: true }),
    error("core-without-service", "the core stands without its service", { path: "^src/" }, { path: "^service/" }),
    error(
      "service-by-public-api",
      "the service sees the core through its public API alone",
      { path: "^service/" },
      { path: "^src/" },
    ),
  ],
  options: {
    parser: "swc", // TypeScript 7 has no API for it to read the files with
    tsPreCompilationDeps: true, // a type is an import, too
    doNotFollow: { path: "node_modules|dist" },
  },
};
