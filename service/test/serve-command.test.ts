import { resolve } from "node:path";
import { expect, test } from "vitest";
import { namedFolders } from "../src/serve-command.ts";

test("a model is a folder, maybe with a name, or one that comes along", () => {
  const { cifar10, mine, best } = namedFolders(["cifar10", "runs/mine", "best=runs/other"]);
  expect(cifar10).toMatch(/[\\/]models[\\/]cifar10$/);
  expect([mine, best]).toEqual([resolve("runs/mine"), resolve("runs/other")]);
  expect(namedFolders(["./cifar10"])).toEqual({ cifar10: resolve("cifar10") }); // one's own that is called so
});

test("two of one name are refused", () => {
  expect(() => namedFolders(["a/mine", "b/mine"])).toThrow(
    "--model: names that differ expected, found mine twice; write NAME=DIR",
  );
});
