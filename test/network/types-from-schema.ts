/** TypeScript types from a JSON Schema, each field under its description: those that TypeScript infers from zod have no comments. */

export interface JsonSchema {
  readonly type?: string;
  readonly const?: string | number;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema | false;
  readonly prefixItems?: readonly JsonSchema[];
  readonly default?: unknown;
}

const COLUMNS = 110;

/**
 * @param io "input": fields with a default may be left out; "output": they are there
 * @throws {Error} if a field has no description
 */
export function typeAlias(name: string, schema: JsonSchema, io: "input" | "output"): string {
  return `export type ${name} = ${objectText(schema, io, "", name)};\n`;
}

function objectText({ properties = {}, required = [] }: JsonSchema, io: string, indent: string, path: string): string {
  const fields = Object.entries(properties)
    .filter(([name]) => io === "input" || name !== "$schema")
    .map(([name, field]) => {
      const isThere = required.includes(name) || (io === "output" && "default" in field);
      const at = `${path}.${name}`;
      const type = typeText(field, io, `${indent}  `, at);
      const undefinable = isThere ? "" : " | undefined";
      return `${comment(field, `${indent}  `, at)}${indent}  ${name}${isThere ? "" : "?"}: ${type}${undefinable};\n`;
    });
  return `{\n${fields.join("")}${indent}}`;
}

function typeText(schema: JsonSchema, io: string, indent: string, path: string): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((one) => typeText(one, io, indent, path)).join(" | ");
  if (schema.prefixItems) return `[${schema.prefixItems.map((one) => typeText(one, io, indent, path)).join(", ")}]`;
  if (schema.items) return `${typeText(schema.items, io, indent, path)}[]`;
  if (schema.properties) return objectText(schema, io, indent, path);
  if (schema.type === "integer") return "number";
  if (schema.type) return schema.type;
  throw new Error(`${path}: a type expected, found ${JSON.stringify(schema)}`);
}

/** The description with the default, in lines; a constant that only tells one choice from another needs none. */
function comment({ description, default: given, const: constant }: JsonSchema, indent: string, path: string): string {
  if (description === undefined) {
    if (constant !== undefined) return "";
    throw new Error(`${path}: a description expected, found none`);
  }
  const text = given === undefined ? description : `${description} Default: ${JSON.stringify(given)}.`;
  if (indent.length + text.length + 7 <= COLUMNS) return `${indent}/** ${text} */\n`;
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (indent.length + last.length + word.length + 4 > COLUMNS) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}
