import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { decodeSafetensors, encodeSafetensors, floatArray, type StoredArray } from "../../src/files/safetensors.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const small = new Map<string, StoredArray>([
  ["b", { shape: [1, 2], data: Float32Array.of(1, -2) }],
  ["a", { shape: [], data: Int32Array.of(258) }],
]);

/** A file with this header and `size` bytes of values. */
function file(header: string, size: number): Uint8Array {
  const json = text(header);
  const bytes = new Uint8Array(8 + json.length + size);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

function decodeError(bytes: Uint8Array): UserError {
  try {
    decodeSafetensors(bytes, "net.safetensors");
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^net\.safetensors: .* expected, found .*; the file is damaged/);
    return error as UserError;
  }
  throw new Error("an error expected, found none");
}

describe("the file", () => {
  test("byte by byte", () => {
    const header =
      '{"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"a":{"dtype":"I32","shape":[],"data_offsets":[8,12]}}';
    expect(header.length).toBe(109);
    const expected = [
      ...[112, 0, 0, 0, 0, 0, 0, 0], // the header's length, padded so that the values begin at a multiple of 8
      ...text(`${header}   `),
      ...[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0], // 1 and -2
      ...[2, 1, 0, 0], // 258
    ];
    expect([...encodeSafetensors(small)]).toEqual(expected);
    expect(decodeSafetensors(Uint8Array.from(expected), "x")).toEqual(small);
  });

  const names = fc.string({ minLength: 1, maxLength: 12 }).map((name) => `stages.${name}`);
  const dims = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  const float = dims.chain((shape) =>
    fc.float32Array({ minLength: sizeOf(shape), maxLength: sizeOf(shape) }).map((data) => ({ shape, data })),
  );
  const int = dims.chain((shape) =>
    fc.int32Array({ minLength: sizeOf(shape), maxLength: sizeOf(shape) }).map((data) => ({ shape, data })),
  );
  const files = fc.array(fc.tuple(names, fc.oneof(float, int))).map((list) => new Map<string, StoredArray>(list));

  test("gives back what was put in, and the same bytes again", () => {
    fc.assert(
      fc.property(files, (arrays) => {
        const bytes = encodeSafetensors(arrays);
        const decoded = decodeSafetensors(bytes, "x");
        expect([...decoded]).toEqual([...arrays]); // order included; toEqual tells 0 from -0 and knows NaN
        expect(encodeSafetensors(decoded)).toEqual(bytes);
      }),
    );
  });

  test("is read alike wherever its bytes lie: in a larger buffer, at an odd place, in one of Node's", () => {
    const bytes = encodeSafetensors(small);
    const odd = new Uint8Array(bytes.length + 8);
    odd.set(bytes, 3);
    expect(decodeSafetensors(odd.subarray(3, 3 + bytes.length), "x")).toEqual(small);
    expect(decodeSafetensors(Buffer.from(bytes), "x")).toEqual(small);
  });

  test("what is read is a copy", () => {
    for (const bytes of [encodeSafetensors(small), Buffer.from(encodeSafetensors(small))]) {
      const decoded = decodeSafetensors(bytes, "x");
      bytes.fill(0);
      expect(decoded).toEqual(small);
    }
  });

  test("arrays that look at a part of a larger one are written as that part", () => {
    const data = Float32Array.of(9, 1, -2, 9).subarray(1, 3);
    expect(encodeSafetensors(new Map(small).set("b", { shape: [1, 2], data }))).toEqual(encodeSafetensors(small));
  });

  test("with `halve`, arrays of nothing but half-precision numbers take two bytes a value, and nothing is lost", () => {
    const halves = Float32Array.of(0, -0, 1, -2.5, 65504, 2 ** -24, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const arrays = new Map<string, StoredArray>([
      ["halves", { shape: [2, 4], data: halves }],
      ["others", { shape: [2], data: Float32Array.of(1, 1 + 2 ** -11) }], // halves have 11 digits
      ["too large", { shape: [1], data: Float32Array.of(65520) }],
      ["whole", { shape: [1], data: Int32Array.of(1) }],
    ]);
    const bytes = encodeSafetensors(arrays, { halve: true });
    expect(decodeSafetensors(bytes, "x")).toEqual(arrays);
    expect(encodeSafetensors(decodeSafetensors(bytes, "x"), { halve: true })).toEqual(bytes);
    const elsewhere = new Uint8Array(bytes.length + 1); // where values do not lie at even addresses
    elsewhere.set(bytes, 1);
    expect(decodeSafetensors(elsewhere.subarray(1), "x")).toEqual(decodeSafetensors(bytes, "x"));
    expect(encodeSafetensors(new Map([["b", { shape: [2], data: Float32Array.of(1, -2) }]]), { halve: true })).toEqual(
      Uint8Array.from([
        ...[56, 0, 0, 0, 0, 0, 0, 0],
        ...text('{"b":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}  '),
        ...[0, 0x3c, 0, 0xc0], // 1 and -2, IEEE 754 binary16
      ]),
    );
  });

  test("metadata of other programs is passed over", () => {
    const header = '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
    expect([...decodeSafetensors(file(header, 4), "x").keys()]).toEqual(["a"]);
  });
});

describe("a damaged file is the user's mistake", () => {
  test("cut short anywhere", () => {
    const bytes = encodeSafetensors(small);
    for (let length = 0; length < bytes.length; length++) decodeError(bytes.slice(0, length));
    expect(decodeError(bytes.slice(0, 5)).message).toContain("at least 8 bytes expected, found 5");
    expect(decodeError(bytes.slice(0, -1)).message).toContain("4 bytes for a expected, found 3");
    expect(decodeError(bytes.slice(0, 100)).message).toContain("a header of at most 92 bytes expected, found 112");
  });

  const entry = (changes: object): string =>
    JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...changes } });

  test.each([
    ["no JSON", "<html>404 Not Found</html>", "<html>404"],
    ["null", "null", "null"],
    ["an entry that is null", '{"a":null}', "a JSON header"],
    ["an entry without a shape", '{"a":{"dtype":"F32","data_offsets":[0,8]}}', "a JSON header"],
    ["an entry without offsets", '{"a":{"dtype":"F32","shape":[2]}}', "a JSON header"],
    ["a shape that is too large", entry({ shape: [3] }), "12 bytes for a expected, found 8"],
    ["offsets that are too large", entry({ shape: [4], data_offsets: [0, 16] }), "16 bytes for a expected, found 8"],
    ["offsets in the header", entry({ data_offsets: [-8, 0] }), "a JSON header"],
    ["negative sizes", entry({ shape: [-1, -2] }), "a JSON header"],
    ["half a size", entry({ shape: [0.5, 4] }), "a JSON header"],
    ["offsets as text", entry({ data_offsets: ["0", "8"] }), "a JSON header"],
    [
      "bytes behind the last array",
      entry({ shape: [1], data_offsets: [0, 4] }),
      "an end behind the last array, at byte 4",
    ],
    ["nothing but bytes", "{}", "an end behind the last array, at byte 0 of the values expected, found 8 bytes more"],
    ["a shape beyond all memory", entry({ shape: [2 ** 40, 2 ** 40] }), "bytes for a expected, found 8"],
  ])("%s", (_, header, message) => {
    expect(decodeError(file(header, 8)).message).toContain(message);
  });

  const two = (b: object): string =>
    JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] }, b: { dtype: "F32", shape: [1], ...b } });

  test("arrays that lie over each other, or apart from each other", () => {
    expect(decodeError(file(two({ data_offsets: [4, 8] }), 8)).message).toContain(
      "b behind the array before it expected, found 4 bytes of it inside",
    );
    expect(decodeError(file(two({ data_offsets: [104, 108] }), 108)).message).toContain(
      "b directly behind the array before it expected, found 96 bytes between",
    );
    expect([...decodeSafetensors(file(two({ data_offsets: [16, 20] }), 20), "x").keys()]).toEqual(["a", "b"]); // aligned
  });

  test("a name twice, however it is written", () => {
    const a = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
    const again = a.replace("[0,4]", "[4,8]");
    for (const name of ["a", "\\u0061"])
      expect(() => decodeSafetensors(file(`{"a":${a},"${name}":${again}}`, 8), "x")).toThrow(
        'x: every name once expected, found "a" twice; correct the file',
      );
  });

  test("more arrays than any network has", () => {
    const header = Array.from({ length: 100_001 }, (_, i) => `"${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`);
    expect(decodeError(file(`{${header.join()}}`, 0)).message).toContain(
      "at most 100000 arrays expected, found 100001",
    );
  });

  test("an array of a type that is not read is named; where it is not wanted, it does not matter", () => {
    const bytes = file(entry({ dtype: "F8_E4M3", shape: [8] }), 8);
    expect(() => decodeSafetensors(bytes, "x")).toThrow(UserError);
    expect(() => decodeSafetensors(bytes, "x")).toThrow(
      "x: a of type F64, F32, F16, I64, I32, I8, BF16, I16, U16, U8, BOOL, U32, U64 expected, found F8_E4M3; write",
    );
    expect([...decodeSafetensors(bytes, "x", ["b"])]).toEqual([]);
  });

  test("any change of the header is either read or refused, never anything else", () => {
    const bytes = encodeSafetensors(small);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 119 }), fc.integer({ min: 0, max: 255 }), (place, value) => {
        const changed = bytes.slice();
        changed[place] = value;
        try {
          for (const { shape, data } of decodeSafetensors(changed, "x").values())
            expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("floatArray", () => {
  test("gives the array of the wanted rank", () => {
    expect(floatArray(small, "b", 2, "x")).toEqual({ shape: [1, 2], data: Float32Array.of(1, -2) });
  });

  test("says what is there instead", () => {
    expect(() => floatArray(small, "c", 1, "x")).toThrow(UserError);
    expect(() => floatArray(small, "c", 1, "x")).toThrow("float32 array c of rank 1 expected, found only b, a;");
    expect(() => floatArray(small, "b", 1, "x")).toThrow("found Float32Array [1,2]");
    expect(() => floatArray(small, "a", 0, "x")).toThrow("found Int32Array []");
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const arrays = new Map<string, StoredArray>([["c", { shape: [2], data: Float32Array.of(1, value) }]]);
      expect(() => floatArray(arrays, "c", 1, "x")).toThrow(
        `x: finite numbers in c expected, found ${value} at place 1;`,
      );
    }
  });
});
