import { describe, expect, test } from "vitest";
import { normalisationTable } from "../../src/dataset/augmentation.ts";
import { normalise } from "../../src/dataset/batches.ts";
import { type ImageDataLike, imageDataPixels } from "../../src/dataset/scale.ts";
import { isRawImage, rawNumbers, tensorBound, writeImages } from "../../src/inference/images.ts";
import { wavyPicture } from "./tiny-model.ts";

/** [H, W] colours as RGBA; a colour is [R, G, B] or [R, G, B, opacity]. */
function picture(rows: readonly (readonly (readonly number[])[])[]): ImageDataLike {
  const data = Uint8ClampedArray.from(rows.flat().flatMap(([r, g, b, a = 255]) => [r!, g!, b!, a]));
  return { data, width: rows[0]!.length, height: rows.length };
}

const grey = (value: number): number[] => [value, value, value];

describe("a picture of RGBA becomes planes", () => {
  test("of its own pixels where it has the size already", () => {
    const image = wavyPicture(9, 7, 1);
    const pixels = imageDataPixels(image, [3, 7, 9]);
    for (let c = 0; c < 3; c++) for (let i = 0; i < 63; i++) expect(pixels[c * 63 + i]).toBe(image.data[4 * i + c]);
  });

  test("of the average of what each pixel covers", () => {
    const image = picture([
      [grey(0), grey(100), grey(10), grey(10)],
      [grey(200), grey(100), grey(10), grey(30)],
    ]);
    expect([...imageDataPixels(image, [1, 1, 2])]).toEqual([100, 15]);
    // 3 x 3 to 2 x 2: each covers 1.5 x 1.5, a whole pixel, two halves and a quarter: (4 a + 2 b + 2 c + d) / 9
    const nine = picture([
      [grey(90), grey(0), grey(0)],
      [grey(0), grey(0), grey(0)],
      [grey(0), grey(45), grey(180)],
    ]);
    expect([...imageDataPixels(nine, [1, 2, 2])]).toEqual([40, 0, 10, 90]);
  });

  test("scaled until it covers the shape, and cut in the middle", () => {
    const wide = picture([
      [grey(1), grey(50), grey(60), grey(2)],
      [grey(3), grey(70), grey(80), grey(4)],
    ]);
    expect([...imageDataPixels(wide, [1, 2, 2])]).toEqual([50, 60, 70, 80]);
    const high = picture([[grey(9)], [grey(100)], [grey(9)]]);
    expect([...imageDataPixels(high, [1, 2, 2])]).toEqual([77, 77, 77, 77]); // between two centres: (3 * 100 + 9) / 4
  });

  test("on white, with the weights of ITU-R BT.601 for grey", () => {
    expect([...imageDataPixels(picture([[[10, 20, 30, 0]]]), [3, 1, 1])]).toEqual([255, 255, 255]);
    expect([...imageDataPixels(picture([[[0, 255, 100, 51]]]), [3, 1, 1])]).toEqual([204, 255, 224]);
    expect([...imageDataPixels(picture([[[100, 200, 50]]]), [1, 1, 1])]).toEqual([153]); // 29.9 + 117.4 + 5.7
  });

  test("whatever the sizes, a plain picture stays plain and nothing lies outside it", () => {
    for (const [width, height, side] of [
      [31, 17, 32],
      [97, 100, 32],
      [3, 700, 5],
      [1, 1, 7],
      [33, 32, 32],
    ] as const) {
      const plain = picture(Array.from({ length: height }, () => Array.from({ length: width }, () => [7, 8, 9])));
      const pixels = imageDataPixels(plain, [3, side, side]);
      expect(new Set(pixels.subarray(0, side * side))).toEqual(new Set([7]));
      expect(new Set(pixels.subarray(2 * side * side))).toEqual(new Set([9]));
    }
  });

  test("or is refused", () => {
    expect(() => imageDataPixels(wavyPicture(2, 2, 1), [2, 2, 2])).toThrow("reads 3 or 1 channels expected");
    expect(() => imageDataPixels({ data: new Uint8Array(15), width: 2, height: 2 }, [3, 2, 2])).toThrow(
      "picture: 2x2x4 bytes of RGBA in a Uint8ClampedArray expected, found 15 in a ",
    );
    expect(() => imageDataPixels({ data: new Uint8Array(0), width: 0, height: 2 }, [3, 2, 2])).toThrow(RangeError);
  });
});

test("numbers are told from files and elements", () => {
  for (const raw of [{ pixels: new Uint8Array() }, { tensor: new Float32Array() }, wavyPicture(1, 1, 1)])
    expect(isRawImage(raw)).toBe(true);
  for (const other of ["a.png", new Uint8Array(4), new Blob([]), { width: 3, height: 4 }, null])
    expect(isRawImage(other)).toBe(false);
});

test("numbers of another type or count are refused", () => {
  expect(() => rawNumbers({ pixels: new Uint8Array(11) }, [3, 2, 2], 20)).toThrow(
    "classifier: pixels as 12 values [3, 2, 2] in a Uint8Array expected, found 11 in a Uint8Array",
  );
  const wrong = { tensor: new Float64Array(12) as unknown as Float32Array };
  expect(() => rawNumbers(wrong, [3, 2, 2], 20)).toThrow("in a Float32Array expected, found 12 in a Float64Array");
});

test("a tensor of no numbers, or of some that no normalised picture has, is refused", () => {
  const bound = tensorBound({ mean: [0.5, 0.2], std: [0.25, 0.5] });
  expect(bound).toBe(20); // ten times (1 - 0.5) / 0.25, which is farther than 0.8 / 0.5
  const tensor = (value: number) => ({ tensor: Float32Array.of(0, -20, 20, value) });
  expect(rawNumbers(tensor(0), [1, 2, 2], bound)).toEqual(Float32Array.of(0, -20, 20, 0));
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 20.5, -255, 1e20])
    expect(() => rawNumbers(tensor(value), [1, 2, 2], bound)).toThrow(
      /^classifier: tensor of values within \+-20\.0 expected, found .* at place 3; give \(byte \/ 255 - mean\) \/ std/,
    );
});

test("the network's input: bytes normalised as in training, floats as they are", () => {
  const table = normalisationTable({ mean: [0.5, 0.25], std: [0.25, 0.5] });
  const bytes = Uint8Array.from({ length: 24 }, (_, i) => (i * 41) % 256); // three images of [2, 2, 2]
  const floats = Float32Array.from({ length: 8 }, (_, i) => i / 3);
  const out = new Float32Array(40);
  writeImages(out, [bytes.subarray(0, 16), floats, bytes.subarray(16)], table, 4);
  const expected = normalise(bytes, table, 4);
  expect(out.subarray(0, 16)).toEqual(expected.subarray(0, 16));
  expect(out.subarray(16, 24)).toEqual(floats);
  expect(out.subarray(24, 32)).toEqual(expected.subarray(16));
  expect(new Set(out.subarray(32))).toEqual(new Set([0]));
});
