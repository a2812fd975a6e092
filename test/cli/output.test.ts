import { expect, test } from "vitest";
import { printable, printableLine } from "../../src/cli/output.ts";
import { folderName } from "../../src/cli/train.ts";

test("what steers a terminal is written as JSON escapes it, and nothing else is changed", () => {
  const esc = String.fromCharCode(27);
  expect(printable(`${esc}[31mred${esc}[0m`)).toBe("\\u001b[31mred\\u001b[0m");
  expect(printable("a\r\u0007\u007f\u009b\u202e\u2066\u2028b")).toBe(
    "a\\u000d\\u0007\\u007f\\u009b\\u202e\\u2066\\u2028b",
  );
  const plain = "a\tb\n\u00e9\u732b\u{1f408} 100% \\n";
  expect(printable(plain)).toBe(plain);
  expect(printableLine("a\nb")).toBe("a\\nb");
});

test("JSON stays the same JSON", () => {
  const value = { name: `${String.fromCharCode(27)}]0;x\u0007\u009b2J\u202e`, list: ["\u2028"] };
  const text = printable(JSON.stringify(value));
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toMatch(/^[ -~]*$/);
});

test("a name from a file leads to no other folder", () => {
  expect(folderName("shapes-tiny")).toBe("shapes-tiny");
  expect(folderName("cifar10-/../../../escaped")).toBe("cifar10--..-..-..-escaped");
  expect(folderName("../x")).toBe("x");
  expect(folderName("a\\b:c\u0000d \u{1f408}")).toBe("a-b-c-d-");
  expect(folderName("\u732b.v2")).toBe("\u732b.v2");
  expect(folderName("x".repeat(300))).toHaveLength(100);
});
