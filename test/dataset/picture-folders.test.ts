import { describe, expect, test } from "vitest";
import { labelsFromFolders } from "../../src/dataset/picture-folders.ts";
import { UserError } from "../../src/errors.ts";

const brief = (names: string[]) =>
  labelsFromFolders(names, "photos").map(({ name, className, split }) => `${name} ${className} ${split}`);

function mistake(names: string[]): string {
  try {
    labelsFromFolders(names, "photos");
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  return "no error";
}

describe("the folders say class and split", () => {
  test("with splits, under any of their names", () => {
    expect(brief(["train/cat/1.jpg", "valid/cat/2.jpg", "test/dog/3.jpg"])).toEqual([
      "train/cat/1.jpg cat train",
      "valid/cat/2.jpg cat validation",
      "test/dog/3.jpg dog test",
    ]);
    expect(brief(["Training/cat/1.jpg", "val/dog/2.jpg"])).toEqual([
      "Training/cat/1.jpg cat train",
      "val/dog/2.jpg dog validation",
    ]);
  });

  test("without splits, and with one class", () => {
    expect(brief(["cat/1.jpg", "dog/2.jpg"])).toEqual(["cat/1.jpg cat null", "dog/2.jpg dog null"]);
    expect(brief(["cat/1.jpg", "cat/2.jpg"])).toEqual(["cat/1.jpg cat null", "cat/2.jpg cat null"]);
  });

  test("below folders that hold nothing else, and with folders below the classes", () => {
    expect(brief(["a/b/train/cat/1.jpg", "a/b/test/cat/2.jpg"])).toEqual([
      "a/b/train/cat/1.jpg cat train",
      "a/b/test/cat/2.jpg cat test",
    ]);
    expect(brief(["train/images/cat/1.jpg", "train/images/dog/2.jpg"])).toEqual([
      "train/images/cat/1.jpg cat train",
      "train/images/dog/2.jpg dog train",
    ]);
    expect(brief(["cat/deep/er/1.jpg", "dog/2.jpg", "dog/more/3.jpg"])).toEqual([
      "cat/deep/er/1.jpg cat null",
      "dog/2.jpg dog null",
      "dog/more/3.jpg dog null",
    ]);
  });

  test("one class name in two forms of Unicode is one class", () => {
    const found = labelsFromFolders(["train/caf\u00e9/1.jpg", "test/cafe\u0301/2.jpg"], "photos");
    expect(found.map(({ className }) => className)).toEqual(["caf\u00e9", "caf\u00e9"]);
    expect(found[1]!.name).toBe("test/cafe\u0301/2.jpg");
  });
});

describe("what the user is told", () => {
  test("of pictures in no class folder", () => {
    expect(mistake(["1.jpg", "2.jpg"])).toMatch(
      /expected train\/<class>.* found 2 of 2 pictures in no class folder \(1/,
    );
    expect(mistake(["train/1.jpg", "train/cat/2.jpg"])).toContain(
      "found 1 of 2 pictures in no class folder (train/1.jpg)",
    );
  });

  test("of folders of folders of pictures, of which neither need be the class", () => {
    expect(mistake(["animals/cat/1.jpg", "animals/dog/2.jpg", "plants/oak/3.jpg"])).toContain(
      "found folders of folders (animals/cat, animals/dog)",
    );
    expect(mistake(["cat/train/1.jpg", "cat/test/2.jpg", "dog/train/3.jpg"])).toContain("write train/cat/..");
  });
});
