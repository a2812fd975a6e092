import { describe, expect, test } from "vitest";
import { integers, node } from "../../src/graph/tensor.ts";
import { untrainedNetwork } from "../../src/network/blueprint-network.ts";
import { stagedTeacher } from "../../src/story/teachers.ts";
import { openTeacher, type TeacherNetwork, taughtClasses } from "../../src/training/teacher.ts";
import { runtime } from "../network/imported.ts";
import { CLASSES, recorder, smallBlueprint, smallRecipe, train } from "./small.ts";

/** Whose answers are the mean of each channel as it is given it. */
const means: TeacherNetwork = {
  name: "means",
  classes: ["Red", "green ", "BLUE"],
  picture: {
    shape: [3, 2, 2],
    layout: "channelsFirst",
    channels: "rgb",
    normalisation: { mean: [0.5, 0.25, 0], std: [0.5, 0.5, 2] },
  },
  answer: (images) => node("ReduceMean", [images, integers([2, 3])], { keepdims: 0 }, [images.shape[0]!, 3]),
};

describe("classes", () => {
  test("are found by name, whatever their order and case", () => {
    expect(taughtClasses(means, ["blue", "red"])).toEqual([2, 0]);
  });

  test("without a counterpart, or without names, the teacher is refused", () => {
    expect(() => taughtClasses(means, ["red", "grey"])).toThrow(
      /teacher: a network that tells grey apart expected, found means, which tells 3 others apart \(Red, green , BLUE, \.\.\)/,
    );
    expect(() => taughtClasses({ name: "x", classes: null }, ["red"])).toThrow(
      /teacher: a network whose classes have names expected, found x, .* write them into x\.labels\.txt/,
    );
  });
});

test("a teacher sees the student's view, normalised and scaled as it wants it", async () => {
  const student = {
    classes: ["blue", "red"],
    imageShape: [3, 4, 4],
    normalisation: { mean: [0.1, 0.2, 0.3], std: [1, 1, 0.5] },
  } as const;
  const teacher = await openTeacher(runtime, means, student);
  // red 0.6, green 0.7 and blue 0.8 of 255 everywhere, in two pictures of which the second has no red
  const plane = (x: number, c: number) =>
    Array<number>(16).fill((x - student.normalisation.mean[c]!) / student.normalisation.std[c]!);
  const images = [0.6, 0].flatMap((red) => [...plane(red, 0), ...plane(0.7, 1), ...plane(0.8, 2)]);
  const found = await teacher.answers(Float32Array.from(images));
  await teacher.close();
  const expected = [0.8 / 2, (0.6 - 0.5) / 0.5, 0.8 / 2, (0 - 0.5) / 0.5];
  for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 5);
});

test("with all weight on a teacher, a student comes to answer as it does, whatever the labels say", async () => {
  const teacherNetwork = untrainedNetwork(smallBlueprint(0), CLASSES, 7);
  const { checkpoints, options } = recorder();
  const seen: number[] = [];
  const recipe = smallRecipe({ epochs: 40, learningRate: 0.1, teacher: { weight: 1, temperature: 1 } });
  await train({
    recipe,
    blueprint: smallBlueprint(0),
    teacher: stagedTeacher(teacherNetwork),
    onProgress: ({ loss }) => seen.push(loss),
    ...options,
  });
  // KL falls towards 0, which no training on these labels of noise could do for the teacher's answers
  expect(seen.at(-1)!).toBeLessThan(0.1 * seen[0]!);
  expect(checkpoints.length).toBe(160);
});

test("a teacher without a recipe for it is refused, and a recipe without a teacher", async () => {
  const teacher = stagedTeacher(untrainedNetwork(smallBlueprint(0), CLASSES));
  await expect(train({ teacher })).rejects.toThrow(
    /train: a teacher and how to learn from it expected, found a recipe that says nothing of one/,
  );
  await expect(train({ recipe: smallRecipe({ teacher: {} }) })).rejects.toThrow(
    /how to learn from it expected, found none/,
  );
  const other = { ...teacher, classes: ["cat", "dog", "bird", "cow"] };
  await expect(train({ teacher: other, recipe: smallRecipe({ teacher: {} }) })).rejects.toThrow(
    /tells fish apart expected/,
  );
  const grey = { ...teacher, picture: { ...teacher.picture, shape: [1, 8, 8] as const } };
  await expect(train({ teacher: grey, recipe: smallRecipe({ teacher: {} }) })).rejects.toThrow(
    /teacher: pictures of 2 channels expected, found small, which takes 1/,
  );
});
