// docs/errors.md from the code: every UserError with what to do. node scripts/errors.mjs writes it, --check says whether it is up to date.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "@swc/core";

const root = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS = ["src", "service/src"];
const PAGE = "docs/errors.md";
/** Above the lists: written by hand, and kept. */
const BEGIN = "<!-- from here on written by `npm run errors` -->";

const sources = FOLDERS.flatMap((folder) =>
  readdirSync(root + folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`),
).sort();

const all = new Map(); // folder to messages
for (const file of sources) {
  const found = messagesOf(parse(file));
  if (found.length > 0) all.set(dirname(file), [...(all.get(dirname(file)) ?? []), ...found]);
}

const lists = [...all].map(([folder, messages]) => {
  const rows = [...new Set(messages.map(row))].sort();
  return `### ${folder}/\n\n| what is said | what to do |\n| --- | --- |\n${rows.join("\n")}\n`;
});
const before = readFileSync(root + PAGE, "utf8");
const page = `${before.slice(0, before.indexOf(BEGIN) + BEGIN.length)}\n\n${diskTable()}\n${lists.join("\n")}`;
if (!process.argv.includes("--check")) writeFileSync(root + PAGE, page);
else if (page !== before) {
  console.error(`${PAGE}: the errors that the code has expected, found others; run: npm run errors`);
  process.exitCode = 1;
}

function parse(file) {
  return parseSync(readFileSync(root + file, "utf8"), { syntax: "typescript", target: "es2022" });
}

/** Everything below a node of the syntax tree. */
function* below(node) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.type === "string") yield node;
  for (const value of Object.values(node)) for (const one of Array.isArray(value) ? value : [value]) yield* below(one);
}

/** The messages that a file makes; those of its own helpers with what each caller puts in. */
function messagesOf(tree) {
  const made = [...below(tree)].filter(isUserError);
  const helpers = [...below(tree)].flatMap(helperOf);
  const within = new Set(helpers.filter(({ isUsed }) => isUsed).map(({ error }) => error));
  const plain = made.filter((error) => !within.has(error)).map((error) => text(error.arguments[0]?.expression));
  const filled = helpers.flatMap(({ name, parameters, error }) =>
    callsOf(tree, name).map((given) => {
      const values = new Map(parameters.map((one, i) => [one, given[i] && text(given[i].expression)]));
      return text(error.arguments[0].expression, values);
    }),
  );
  return [...plain, ...filled].filter((message) => /expect/.test(message));

  function helperOf(node) {
    const [name, made] =
      node.type === "FunctionDeclaration"
        ? [node.identifier.value, node]
        : node.type === "VariableDeclarator" && node.init?.type === "ArrowFunctionExpression"
          ? [node.id.value, node.init]
          : [];
    if (!made) return [];
    const parameters = (made.params ?? made.parameters).map((one) => (one.pat ?? one).value);
    const errors = [...below(made.body)].filter(isUserError);
    if (errors.length !== 1 || parameters.length === 0) return [];
    const used = [...below(errors[0].arguments[0])]
      .filter(({ type }) => type === "Identifier")
      .map(({ value }) => value);
    if (!parameters.some((one) => used.includes(one) && /^(expected|found|advice|what|message)$/.test(one))) return [];
    return [{ name, parameters, error: errors[0], isUsed: callsOf(tree, name).length > 0 }];
  }
}

function isUserError({ type, callee }) {
  return type === "NewExpression" && callee.value === "UserError";
}

function callsOf(tree, name) {
  return [...below(tree)]
    .filter(({ type, callee }) => type === "CallExpression" && callee.value === name)
    .map((call) => call.arguments);
}

/** An expression as a reader sees it: what is put in becomes a name in ‹›. */
function text(node, values = new Map()) {
  if (!node) return "‹text›";
  const of = (one) => text(one, values);
  switch (node.type) {
    case "StringLiteral":
      return node.value;
    case "NumericLiteral":
      return String(node.value);
    case "TemplateLiteral":
      return node.quasis.map(({ cooked }, i) => cooked + (node.expressions[i] ? of(node.expressions[i]) : "")).join("");
    case "BinaryExpression":
      return node.operator === "+" ? of(node.left) + of(node.right) : "‹number›";
    case "ConditionalExpression":
      return either(of(node.consequent), of(node.alternate));
    case "ParenthesisExpression":
    case "TsNonNullExpression":
    case "TsAsExpression":
      return of(node.expression);
    case "Identifier":
      return values.get(node.value) ?? `‹${words(node.value)}›`;
    case "MemberExpression":
      return node.property.type === "Identifier" ? `‹${words(node.property.value)}›` : of(node.object);
    case "OptionalChainingExpression":
      return of(node.base);
    case "CallExpression":
      return node.callee.type === "MemberExpression" ? of(node.callee.object) : of(node.arguments[0]?.expression);
    default:
      return "‹text›";
  }
}

function either(a, b) {
  return a === b || b === "" ? a : a === "" ? b : `${a} | ${b}`;
}

/** "imageShape" as "image shape". */
function words(name) {
  return name.replace(/[A-Z_]+/g, (part) => ` ${part.toLowerCase().replaceAll("_", " ")}`).trim();
}

/** A row of a table: the cure is what follows the last semicolon. */
function row(message) {
  const line = message.replace(/\s+/g, " ").trim();
  const at = line.lastIndexOf("; ");
  const cell = (one) => one.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("*", "\\*");
  return at < 0 ? `| ${cell(line)} | |` : `| ${cell(line.slice(0, at))} | ${cell(line.slice(at + 2))} |`;
}

/** What a disk refuses, from the table in the code. */
function diskTable() {
  const [table] = [...below(parse("src/files/disk-errors.ts"))].filter(
    ({ type, id }) => type === "VariableDeclarator" && id.value === "CAUSES",
  );
  const rows = table.init.properties.map(({ key, value }) => {
    const [found, advice] = value.elements.map(({ expression }) => expression.value);
    return `| ${key.value} | ${found} | ${advice} |`;
  });
  return `### The disk, for whatever is read or written\n\n| code | found | what to do |\n| --- | --- | --- |\n${rows.join("\n")}\n`;
}
