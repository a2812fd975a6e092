import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { costsOf, decodeTableFile, increasingCosts } from "../../src/exits/table-file.ts";
import { encodeSafetensors, type StoredArray } from "../../src/files/safetensors.ts";

/** 3 images, 2 exits, 2 classes. */
const ARRAYS: Record<string, StoredArray> = {
  logits: { shape: [3, 2, 2], data: Float32Array.of(1, 0, 2, 0, 0, 1, 0, 2, 1, 0, 0, 3) },
  labels: { shape: [3], data: Int32Array.of(0, 1, 1) },
  costs: { shape: [2], data: Float32Array.of(1.5, 4) },
};

const file = (changes: Record<string, StoredArray | null> = {}): Uint8Array =>
  encodeSafetensors(
    new Map(Object.entries({ ...ARRAYS, ...changes }).filter((one): one is [string, StoredArray] => one[1] !== null)),
  );

/** As `safetensors.numpy.save_file` writes it: int64 labels between two other arrays, metadata in the header. */
function fileWithInt64(labels: bigint[]): Uint8Array {
  const header = {
    __metadata__: { format: "np" },
    costs: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
    labels: { dtype: "I64", shape: [labels.length], data_offsets: [8, 8 + 8 * labels.length] },
    logits: { dtype: "F32", shape: [3, 2, 2], data_offsets: [8 + 8 * labels.length, 56 + 8 * labels.length] },
  };
  const json = new TextEncoder().encode(JSON.stringify(header));
  const size = new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer);
  const parts = [size, json, ARRAYS.costs!.data, BigInt64Array.from(labels), ARRAYS.logits!.data].map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const EXPECTED = {
  table: { logits: ARRAYS.logits!.data, labels: Uint16Array.of(0, 1, 1), count: 3, exits: 2, classes: 2 },
  costs: [1.5, 4],
};

test("a table made elsewhere is read, with int32 and with int64 labels", () => {
  expect(decodeTableFile(file(), "t")).toEqual(EXPECTED);
  expect(decodeTableFile(fileWithInt64([0n, 1n, 1n]), "t")).toEqual(EXPECTED);
  expect(decodeTableFile(file({ costs: null }), "t").costs).toBeNull();
});

test("numbers of 64 bits are read as well, and arrays that are not asked for are not", () => {
  const wide = {
    logits: { shape: [3, 2, 2], data: Float64Array.from(ARRAYS.logits!.data) },
    labels: { shape: [3], data: Float64Array.of(0, 1, 1) },
    costs: { shape: [2], data: Float64Array.of(39_500_000_001, 2 ** 53) },
    images: { shape: [2], data: Int32Array.of(1, 2) },
  };
  expect(decodeTableFile(file(wide), "t")).toEqual({ ...EXPECTED, costs: [39_500_000_001, 2 ** 53] });
});

test.each([
  ["U8", Uint8Array.of(0, 1, 1)],
  ["I8", Int8Array.of(0, 1, 1)],
  ["U16", Uint16Array.of(0, 1, 1)],
  ["I16", Int16Array.of(0, 1, 1)],
  ["U32", Uint32Array.of(0, 1, 1)],
  ["U64", BigUint64Array.of(0n, 1n, 1n)],
])("labels of type %s, logits and costs in bfloat16, as PyTorch writes them", (type, labels) => {
  // the upper half of a float32; these numbers need no more
  const halves = (values: Float32Array) =>
    Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16);
  const costs = halves(ARRAYS.costs!.data as Float32Array);
  const logits = halves(ARRAYS.logits!.data as Float32Array);
  const parts: [string, string, number[], ArrayBufferView][] = [
    ["costs", "BF16", [2], costs],
    ["labels", type, [3], labels],
    ["logits", "BF16", [3, 2, 2], logits],
  ];
  let end = 0;
  const header = Object.fromEntries(
    parts.map(([name, dtype, shape, { byteLength }]) => {
      const from = end;
      end += byteLength;
      return [name, { dtype, shape, data_offsets: [from, end] }];
    }),
  );
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = [
    new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer),
    json,
    ...parts.map(([, , , data]) => data),
  ];
  const whole = bytes.flatMap(({ buffer, byteOffset, byteLength }) => [
    ...new Uint8Array(buffer, byteOffset, byteLength),
  ]);
  expect(decodeTableFile(Uint8Array.from(whole), "t")).toEqual(EXPECTED);
});

const float = (shape: number[], data: number[]): StoredArray => ({ shape, data: Float32Array.from(data) });
const nan = [...ARRAYS.logits!.data];
nan[6] = Number.NaN;

test.each([
  [
    "no logits",
    file({ logits: null }),
    "t: logits float32 [N, E, K] expected, found labels I32 [3]; costs F32 [2]; write it",
  ],
  ["flat logits", file({ logits: float([3, 4], [...ARRAYS.logits!.data]) }), "found float32 [3,4]"],
  ["integer logits", file({ logits: { shape: [3, 2, 2], data: new Int32Array(12) } }), "found int32 [3,2,2]"],
  ["one exit", file({ logits: float([6, 1, 2], [...ARRAYS.logits!.data]) }), "2 to 256 exits"],
  ["one class", file({ logits: float([6, 2, 1], [...ARRAYS.logits!.data]) }), "2 to 65536 classes expected"],
  ["NaN", file({ logits: float([3, 2, 2], nan) }), "finite logits expected, found NaN at image 1, exit 2, class 0"],
  [
    "a label that is no whole number",
    file({ labels: { shape: [3], data: Float64Array.of(0, 0.5, 1) } }),
    "labels of 0 to 1 expected (logits have 2 classes), found 0.5 at image 1",
  ],
  [
    "no labels",
    file({ labels: null }),
    "t: labels of an integer type [3] expected, found logits F32 [3, 2, 2]; costs F32 [2]; write it",
  ],
  [
    "too few labels",
    file({ labels: { shape: [2], data: Int32Array.of(0, 1) } }),
    "one per image, expected, found int32 [2]",
  ],
  ["one-hot labels", file({ labels: float([3, 2], [1, 0, 0, 1, 0, 1]) }), "found float32 [3,2]"],
  [
    "a label too large",
    file({ labels: { shape: [3], data: Int32Array.of(0, 2, 1) } }),
    "labels of 0 to 1 expected (logits have 2 classes), found 2 at image 1",
  ],
  ["a negative int64 label", fileWithInt64([0n, 1n, -1n]), "found -1 at image 2"],
  ["a huge int64 label", fileWithInt64([0n, 2n ** 32n + 1n, 1n]), "found 4294967297 at image 1"],
  ["too few int64 labels", fileWithInt64([0n, 1n]), "found 64 bits [2]"],
  [
    "costs that do not rise",
    file({ costs: float([2], [4, 4]) }),
    "t: costs: at least 2 numbers above 0, each larger than the one before, expected",
  ],
  ["a cost of nothing", file({ costs: float([2], [0, 4]) }), "found [0,4]"],
  ["too many costs", file({ costs: float([3], [1, 2, 3]) }), "costs [2], one per exit, expected, found [3]"],
  ["no safetensors", new TextEncoder().encode("logits,labels\n1,2"), "not a safetensors file"],
])("%s: the user's mistake", (_, bytes, message) => {
  expect(() => decodeTableFile(bytes, "t")).toThrow(UserError);
  expect(() => decodeTableFile(bytes, "t")).toThrow(message);
});

test("costs of any unit rise; the last one is the full cost", () => {
  expect(costsOf(increasingCosts([0.5, 2, 3], "c.json"), 3, "c.json")).toEqual({ exitMacs: [0.5, 2, 3], fullMacs: 3 });
  expect(() => costsOf([1, 2], 3, "c.json")).toThrow("c.json: 3 costs, one per exit, expected, found 2");
  for (const wrong of [{}, [], [1], ["1", "2"], [1, null], [2, 1], [1, Number.POSITIVE_INFINITY]])
    expect(() => increasingCosts(wrong, "c.json")).toThrow("c.json: at least 2 numbers above 0");
});
