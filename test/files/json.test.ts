import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { parseJson } from "../../src/files/json.ts";

const parse = (text: string | Uint8Array): unknown =>
  parseJson(typeof text === "string" ? new TextEncoder().encode(text) : text, "a.json");

test("reads what JSON.parse reads", () => {
  const value = { a: [1, -0.5e-3, { b: null, "c:d": 'e"{[\\' }], "": true, f: { a: "a", b: "b" }, u: "\u2028é" };
  expect(parse(JSON.stringify(value))).toEqual(value);
  expect(parse(JSON.stringify(value, null, 2))).toEqual(value);
  expect(parse("\u{feff}[]")).toEqual([]); // a byte order mark
  expect(parse(" 3 ")).toBe(3);
});

test.each([
  ["", 'a.json: JSON expected, found "" (an empty file); correct it'],
  ["<html>", 'a.json: JSON expected, found "<html>" ('],
  ['{"a":1', 'a.json: JSON expected, found "{\\"a\\":1" ('],
  ['{"a":"', "a.json: JSON expected"],
  ['{"a":1,"b":{"a":2},"a":3}', 'a.json: every name once expected, found "a" twice; correct the file'],
  ['[{"a":1},{"b":{"c":1,"\\u0063":2}}]', 'a.json: every name once expected, found "c" twice'],
  [`${"[".repeat(101)}${"]".repeat(101)}`, "a.json: JSON of at most 100 levels expected, found more"],
  ['{"a":'.repeat(100_000), "a.json: JSON of at most 100 levels expected, found more"],
  [Uint8Array.of(0xff, 0xfe, 0x5b, 0, 0x5d, 0), "a.json: JSON in UTF-8 expected, found UTF-16; save it as UTF-8"],
  [Uint8Array.of(0x22, 0xc3, 0x22), "a.json: JSON in UTF-8 expected, found bytes that are none"],
] as const)("%s", (text, message) => {
  expect(() => parse(text)).toThrow(UserError);
  expect(() => parse(text)).toThrow(message);
});

test("as deep as is allowed", () => {
  expect(parse(`${"[".repeat(100)}${"]".repeat(100)}`)).toHaveLength(1);
});
