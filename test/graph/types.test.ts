/** Every element type and every kind of attribute: into bytes, through ONNX Runtime, and back. */
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { expand, reduceSum, reshape } from "../../src/graph/broadcast.ts";
import {
  bytesOf,
  DATA_TYPES,
  type ElementType,
  elementsFromBytes,
  elementsOf,
  isTypedArray,
  type TensorData,
  typeOf,
} from "../../src/graph/elements.ts";
import { add, cast, compare, maximum } from "../../src/graph/elementwise.ts";
import { concat, pad, slice, transpose } from "../../src/graph/layout.ts";
import { type GraphDefinition, serialize } from "../../src/graph/onnx.ts";
import { type Graph, ModelSchema } from "../../src/graph/onnx_pb.ts";
import { type Attributes, constant, input, integers, node, scalar, type Tensor } from "../../src/graph/tensor.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { type AnyValues, Program } from "../../src/runtime/program.ts";

const runtime = createNodeRuntime({ threads: 1 });

async function run(definition: GraphDefinition, feeds: AnyValues = {}): Promise<AnyValues> {
  const program = await Program.compile(runtime, definition);
  try {
    return await program.run<AnyValues>(feeds);
  } finally {
    await program.close();
  }
}

function graphOf(definition: GraphDefinition): Graph {
  return fromBinary(ModelSchema, serialize(definition).bytes).graph!;
}

/** Two each, with the ends of their range. */
const VALUES = {
  float32: Float32Array.of(-0, 3.4028234663852886e38),
  float64: Float64Array.of(Math.PI, -1e300),
  float16: Uint16Array.of(0x3c00, 0xfbff), // 1 and -65504
  int8: Int8Array.of(-128, 127),
  uint8: Uint8Array.of(0, 255),
  int16: Int16Array.of(-32768, 32767),
  uint16: Uint16Array.of(0, 65535),
  int32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
  uint32: Uint32Array.of(0, 2 ** 32 - 1),
  int64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  uint64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  bool: Uint8Array.of(1, 0),
  string: ["", "Zürich, 東京"],
} satisfies Partial<Record<ElementType, TensorData>>;
const TYPES = Object.entries(VALUES) as [keyof typeof VALUES, TensorData][];

describe.each(TYPES)("%s", (type, data) => {
  test("goes through an input, a constant and ONNX Runtime unchanged", async () => {
    const x = input("x", [2], type);
    const outputs = { fed: node("Identity", [x], {}, [2], type), stored: constant(data, [2], type) };
    const { fed, stored } = await run({ outputs }, { x: data });
    expect(fed).toEqual(data);
    expect(stored).toEqual(data);
    if (isTypedArray(data)) expect(bytesOf(fed as typeof data)).toEqual(bytesOf(data)); // -0 stays -0
  });

  test("is kept by what moves values", async () => {
    const x = input("x", [2, 1], type);
    const moved = [reshape(x, [2]), transpose(x, [1, 0]), concat([x, x], 0), slice(x, 0, 1, 2), expand(x, [2, 1])];
    expect(moved.map((one) => one.type)).toEqual(moved.map(() => type));
    const [first, second] = data as unknown as [number, number];
    const { twice, last } = await run({ outputs: { twice: moved[2]!, last: moved[3]! } }, { x: data });
    expect([...(twice as Iterable<unknown>)]).toEqual([first, second, first, second]);
    expect([...(last as Iterable<unknown>)]).toEqual([second]);
  });

  test("an array that cannot hold it is refused", async () => {
    const other = type === "float64" ? Float32Array.of(1, 2) : Float64Array.of(1, 2);
    expect(() => constant(other, [2], type)).toThrow(
      new TypeError(`constant: an array of ${type} expected, found ${other.constructor.name}`),
    );
    expect(() => runtime.tensor(other, [2], type)).toThrow(`tensor: an array of ${type} expected`);
    const outputs = { y: node("Identity", [input("x", [2], type)], {}, [2], type) };
    await expect(run({ outputs }, { x: other })).rejects.toThrow(
      new TypeError(`program: input x expects an array of ${type}, found ${other.constructor.name}`),
    );
    await expect(run({ outputs }, { x: data.slice(0, 1) as TensorData })).rejects.toThrow(
      "expects 2 values ([2]), found 1",
    );
  });
});

test("an array tells its type, but for bits and truth values", () => {
  for (const [type, data] of TYPES)
    expect(typeOf(data)).toBe(type === "float16" ? "uint16" : type === "bool" ? "uint8" : type);
  expect(runtime.tensor(Int8Array.of(1), [1]).type).toBe("int8");
});

test("numbers become elements: rounded to the nearest", () => {
  expect(elementsOf([1, -65504, 1 / 3], "float16")).toEqual(Uint16Array.of(0x3c00, 0xfbff, 0x3555));
  expect(elementsOf([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -2, Number.NaN], "bfloat16")).toEqual(
    Uint16Array.of(0x3f80, 0x3f80, 0x3f82, 0xc000, 0x7fc0),
  );
  expect(elementsOf([-1, 7], "int64")).toEqual(BigInt64Array.of(-1n, 7n));
  expect(() => elementsOf([1], "string")).toThrow("strings expected, found numbers");
});

test.each(TYPES.filter(([type]) => type !== "string"))("%s survives being bytes, wherever they begin", (type, data) => {
  if (!isTypedArray(data) || type === "string") throw new TypeError("numbers expected");
  const shifted = Uint8Array.from([9, ...bytesOf(data)]).subarray(1);
  expect(elementsFromBytes(shifted, type)).toEqual(data);
  if (data.BYTES_PER_ELEMENT > 1) expect(() => elementsFromBytes(shifted.subarray(1), type)).toThrow(RangeError);
});

test("bfloat16 is stored by its bits and cast inside the graph; a tensor of it cannot be made", async () => {
  const bits = constant(Uint16Array.of(0x3f80, 0xc040), [2], "bfloat16");
  expect(await run({ outputs: { y: cast(bits, "float32") } })).toEqual({ y: Float32Array.of(1, -3) });
  expect(() => runtime.tensor(Uint16Array.of(1), [1], "bfloat16")).toThrow("found bfloat16; cast it inside the graph");
});

test("casts between all numbers", async () => {
  const numbers = Object.keys(DATA_TYPES).filter(
    (type) => !["string", "bool", "bfloat16"].includes(type),
  ) as ElementType[];
  for (const from of numbers) {
    const x = input("x", [2], from);
    const outputs = Object.fromEntries(numbers.map((to) => [to, cast(x, to)]));
    const expected = Object.fromEntries(numbers.map((to) => [to, elementsOf([3, 100], to)]));
    expect(await run({ outputs }, { x: elementsOf([3, 100], from) })).toEqual(expected);
  }
});

test("arithmetic keeps the type, a comparison gives floats, and two types do not mix", async () => {
  const [a, b] = [input("a", [2], "int64"), input("b", [2], "int64")];
  const outputs = {
    sum: add(a, b),
    more: compare(a, "Greater", b),
    top: reduceSum(maximum(a, b)),
    border: pad(a, [1], [0]),
  };
  expect(await run({ outputs }, { a: BigInt64Array.of(1n, 2n ** 40n), b: BigInt64Array.of(5n, 1n) })).toEqual({
    sum: BigInt64Array.of(6n, 2n ** 40n + 1n),
    more: Float32Array.of(0, 1),
    top: BigInt64Array.of(2n ** 40n + 5n),
    border: BigInt64Array.of(0n, 1n, 2n ** 40n),
  });
  expect(() => add(a, input("c", [2]))).toThrow("Add: elements of one type expected, found int64 and float32");
  expect(() => concat([a, input("c", [2])], 0)).toThrow("concat: elements of one type expected");
});

describe("small constants are shared", () => {
  const stored = (...constants: Tensor[]): number =>
    graphOf({ outputs: Object.fromEntries(constants.map((one, i) => [`y${i}`, one])) }).initializer.length;

  test("where type, shape and every bit agree", () => {
    expect(stored(scalar(1), scalar(1))).toBe(1);
    expect(stored(constant(Int8Array.of(1)), constant(Uint8Array.of(1)), integers([1]))).toBe(3);
    expect(stored(constant(Uint8Array.of(1)), constant(Uint8Array.of(1), [1], "bool"))).toBe(2);
    expect(stored(scalar(0), scalar(-0))).toBe(2);
    expect(stored(constant(["a,b"], [1]), constant(["a,b"], [1]))).toBe(1);
    expect(stored(constant(["a,b", ""], [2]), constant(["a", "b,"], [2]))).toBe(2);
    expect(stored(constant(BigInt64Array.of(2n ** 53n)), constant(BigInt64Array.of(2n ** 53n + 1n)))).toBe(2);
  });
});

describe("attributes", () => {
  const body = { graph: [add(scalar(1), scalar(2))] };
  const attributes: Attributes = {
    integer: -3,
    big: 2n ** 63n - 1n,
    float: { float: 0.5 },
    string: "Zürich",
    integers: [1, -2n],
    none: [],
    floats: { floats: [0.25, -1] },
    strings: { strings: ["a", "é"] },
    tensor: { tensor: constant(Int8Array.of(-1, 2), [2, 1]) },
    tensors: { tensors: [constant(["x"], [1]), scalar(1)] },
    graph: body,
    graphs: { graphs: [body, { graph: [scalar(3)] }] },
  };
  const written = graphOf({ outputs: { y: node("Made", [], attributes, [1], "float32", "somebody") } }).node[0]!
    .attribute;
  const named = Object.fromEntries(written.map((one) => [one.name!, one]));
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

  test("of every kind are in the file with their kind", () => {
    expect(written.map(({ type }) => type)).toEqual([2, 2, 1, 3, 7, 7, 6, 8, 4, 9, 5, 10]);
    expect([named.integer!.i, named.big!.i, named.float!.f]).toEqual([-3n, 2n ** 63n - 1n, 0.5]);
    expect([text(named.string!.s!), named.strings!.strings.map(text)]).toEqual(["Zürich", ["a", "é"]]);
    expect([named.integers!.ints, named.none!.ints, named.floats!.floats]).toEqual([[1n, -2n], [], [0.25, -1]]);
    expect([named.tensor!.t!.dataType, named.tensor!.t!.dims]).toEqual([DATA_TYPES.int8, [2n, 1n]]);
    expect(elementsFromBytes(named.tensor!.t!.rawData!, "int8")).toEqual(Int8Array.of(-1, 2));
    expect(named.tensors!.tensors.map(({ dataType }) => dataType)).toEqual([DATA_TYPES.string, DATA_TYPES.float32]);
    expect(text(named.tensors!.tensors[0]!.stringData[0]!)).toBe("x");
    expect(named.graph!.g!.node.map(({ opType }) => opType)).toEqual(["Add"]);
    expect(named.graphs!.graphs.map(({ output }) => output.length)).toEqual([1, 1]);
  });

  test("a tensor that is not a constant is refused", () => {
    const graph = node("Constant", [], { value: { tensor: input("x", [1]) } }, [1]);
    expect(() => serialize({ outputs: { graph } })).toThrow("graph: constants in attribute value expected");
  });

  test("reach ONNX Runtime", async () => {
    const outputs = {
      tensor: node("Constant", [], { value: { tensor: constant(Int8Array.of(-1, 2)) } }, [2], "int8"),
      floats: node("Constant", [], { value_floats: { floats: [0.25, -1] } }, [2]),
      strings: node("Constant", [], { value_strings: { strings: ["a", "é"] } }, [2], "string"),
      big: node("Constant", [], { value_int: 2n ** 62n }, [], "int64"),
    };
    expect(await run({ outputs })).toEqual({
      tensor: Int8Array.of(-1, 2),
      floats: Float32Array.of(0.25, -1),
      strings: ["a", "é"],
      big: BigInt64Array.of(2n ** 62n),
    });
  });
});

describe("domains", () => {
  const x = input("x", [3]);
  const quick = (alpha: number): Tensor =>
    node("QuickGelu", [x], { alpha: { float: alpha } }, [3], "float32", "com.microsoft");

  test("a node of ONNX Runtime's own domain runs: x * sigmoid(alpha x)", async () => {
    const { y } = (await run({ outputs: { y: quick(2) } }, { x: Float32Array.of(-1, 0, 2) })) as { y: Float32Array };
    const expected = [-1, 0, 2].map((value) => value / (1 + Math.exp(-2 * value)));
    for (const [i, value] of y.entries()) expect(value).toBeCloseTo(expected[i]!, 6);
  });

  test("the file asks for each domain that occurs, in bodies too, in the version given", () => {
    const chosen = node(
      "If",
      [cast(x, "bool")],
      { then_branch: { graph: [quick(1)] }, else_branch: { graph: [x] } },
      [3],
    );
    const both = { y: add(chosen, node("Made", [x], {}, [3], "float32", "somebody")) };
    const { bytes, operators } = serialize({ outputs: both, opsets: { somebody: 7 } });
    const imports = fromBinary(ModelSchema, bytes).opsetImport.map(({ domain, version }) => [domain, version]);
    expect(imports).toEqual([
      ["", 20n],
      ["com.microsoft", 1n],
      ["somebody", 7n],
    ]);
    expect(operators).toEqual(["Add", "Cast", "Identity", "If", "com.microsoft.QuickGelu", "somebody.Made"]);
  });
});

describe("bodies", () => {
  test("hold constants of 8 bits and hand 8 bits out", async () => {
    const [x, flag] = [input("x", [2], "uint8"), input("flag", [1], "bool")];
    const quantised = (scale: number, zero: number): Tensor =>
      node("QuantizeLinear", [dequantised(x), scalar(scale), constant(Int8Array.of(zero), [])], {}, [2], "int8");
    const branches = { then_branch: { graph: [quantised(1, 0)] }, else_branch: { graph: [quantised(0.5, -3)] } };
    const outputs = { y: node("If", [flag], branches, [2], "int8") };
    const feeds = (flag: number): AnyValues => ({ x: Uint8Array.of(130, 140), flag: Uint8Array.of(flag) });
    expect(await run({ outputs }, feeds(1))).toEqual({ y: Int8Array.of(2, 12) });
    expect(await run({ outputs }, feeds(0))).toEqual({ y: Int8Array.of(1, 21) });
    const [inside] = graphOf({ outputs }).node.find(({ opType }) => opType === "If")!.attribute;
    expect(inside!.g!.initializer.map(({ dataType }) => dataType)).toContain(DATA_TYPES.int8);

    function dequantised(bytes: Tensor): Tensor {
      return node("DequantizeLinear", [bytes, scalar(1), constant(Uint8Array.of(128), [])], {}, [2]);
    }
  });

  test("are fed by their node: a loop that doubles", async () => {
    const [iteration, condition, value] = [
      input("i", [], "int64"),
      input("go", [], "bool"),
      input("value", [2], "int32"),
    ];
    const body = { graph: [condition, add(value, value)], inputs: [iteration, condition, value] };
    const start = input("start", [2], "int32");
    const times = constant(BigInt64Array.of(5n), []);
    const outputs = { y: node("Loop", [times, null, start], { body }, [2], "int32") };
    expect(await run({ outputs }, { start: Int32Array.of(1, -3) })).toEqual({ y: Int32Array.of(32, -96) });
    expect(serialize({ outputs }).inputs).toEqual([start]);
  });
});

describe("the batch", () => {
  const [x, y] = [input("x", [3, 2]), input("y", [2], "int64")];
  const definition: GraphDefinition = {
    anyBatch: true,
    batchAxes: { x: 1, y: null, across: 1, copy: null },
    outputs: { across: add(x, x), copy: node("Identity", [y], {}, [2], "int64") },
  };

  test("may be another axis of an input and an output, or none", async () => {
    const feeds = { x: Float32Array.from({ length: 15 }, (_, i) => i), y: BigInt64Array.of(7n, 8n) };
    const { across, copy } = await run(definition, feeds);
    expect(across).toEqual(feeds.x.map((value) => 2 * value));
    expect(copy).toEqual(feeds.y);
    await expect(run(definition, { ...feeds, x: new Float32Array(4) })).rejects.toThrow("a multiple of 3 values");
    await expect(run(definition, { ...feeds, y: new BigInt64Array(4) })).rejects.toThrow("expects 2 values");
  });

  test("is named in the file where it is", () => {
    const { input: inputs, output } = graphOf(definition);
    const sizes = [...inputs, ...output].map(({ type }) =>
      (type!.value.value as { shape: { dim: { value: { value: unknown } }[] } }).shape.dim.map(
        (one) => one.value.value,
      ),
    );
    expect(sizes).toEqual([[3n, "B"], [2n], [3n, "B"], [2n]]);
  });
});
