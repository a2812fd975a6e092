/** A small Vision Transformer as PyTorch writes one that was exported for a single picture: a class token, positions, blocks. */
import type { Node, Tensor } from "../../src/graph/onnx_pb.ts";
import { type FileParts, op, storedFloats, storedIntegers, weight } from "./files.ts";

interface Options {
  readonly side?: number;
  readonly patch?: number;
  readonly width?: number;
  readonly heads?: number;
  readonly blocks?: number;
  readonly classes?: number;
  readonly seed?: number;
}

/**
 * Pictures [1, 3, side, side] -> patches and a class token [1, L, D] -> "block K" [1, L, D] -> "normed" [1, L, D] -> the class token's
 * row -> "logits" [1, classes].
 *
 * @see Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021)
 */
export function visionTransformer(options: Options = {}): FileParts {
  const { side = 16, patch = 4, width = 24, heads = 3, blocks = 4, classes = 10, seed = 1 } = options;
  const patches = (side / patch) ** 2;
  const constants: Tensor[] = [];
  const nodes: Node[] = [];
  let next = seed;
  const given = (name: string, dims: readonly number[]): string => {
    constants.push(weight(name, dims, next++));
    return name;
  };
  const add = (opType: string, input: readonly string[], output: string, attributes: Parameters<typeof op>[3] = {}) => {
    nodes.push(op(opType, input, output, attributes));
    return output;
  };
  constants.push(
    storedIntegers("flat", [1, width, patches]),
    storedIntegers("split", [1, patches + 1, 3, heads, width / heads]),
    storedIntegers("joined", [1, patches + 1, width]),
    storedIntegers("axis 0", [0]),
    storedFloats("scale", [Math.sqrt(heads / width)], []),
    storedFloats("root 2", [Math.SQRT2], []),
    storedFloats("one", [1], []),
    storedFloats("half", [0.5], []),
    storedIntegers("first", [0], []),
  );
  const norm = (x: string, name: string): string => {
    constants.push(storedFloats(`${name} g`, Array(width).fill(1)), storedFloats(`${name} b`, Array(width).fill(0)));
    return add("LayerNormalization", [x, `${name} g`, `${name} b`], name, { axis: -1 });
  };
  const linear = (x: string, name: string, from: number, to: number): string =>
    add(
      "Add",
      [add("MatMul", [x, given(`${name} w`, [from, to])], `${name} product`), given(`${name} bias`, [to])],
      name,
    );

  add("Conv", ["pixels", given("patch w", [width, 3, patch, patch])], "patches", {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  add("Reshape", ["patches", "flat"], "columns");
  add("Transpose", ["columns"], "rows", { perm: [0, 2, 1] });
  add("Concat", [given("class token", [1, 1, width]), "rows"], "tokens", { axis: 1 });
  let x = add("Add", ["tokens", given("positions", [1, patches + 1, width])], "placed");
  for (let k = 0; k < blocks; k++) {
    const at = (part: string): string => `${k} ${part}`;
    add("Reshape", [linear(norm(x, at("norm 1")), at("qkv"), width, 3 * width), "split"], at("parts"));
    add("Transpose", [at("parts")], at("by part"), { perm: [2, 0, 3, 1, 4] });
    nodes.push(
      op(
        "Split",
        [at("by part")],
        ["q", "k", "v"].map((one) => at(`${one} 1`)),
        { axis: 0 },
      ),
    );
    for (const one of ["q", "k", "v"]) add("Squeeze", [at(`${one} 1`), "axis 0"], at(one)); // [1, heads, L, D / heads]
    add("Transpose", [at("k")], at("k across"), { perm: [0, 1, 3, 2] });
    add("Mul", [add("MatMul", [at("q"), at("k across")], at("products")), "scale"], at("scaled"));
    add("MatMul", [add("Softmax", [at("scaled")], at("attention"), { axis: -1 }), at("v")], at("mixed"));
    add("Reshape", [add("Transpose", [at("mixed")], at("mixed rows"), { perm: [0, 2, 1, 3] }), "joined"], at("out"));
    const half = add("Add", [x, linear(at("out"), at("project"), width, width)], `half ${k}`);
    const wide = linear(norm(half, at("norm 2")), at("up"), width, 4 * width);
    add("Erf", [add("Div", [wide, "root 2"], at("divided"))], at("erf"));
    add("Mul", [wide, add("Add", [at("erf"), "one"], at("erf + 1"))], at("gelu twice"));
    const active = add("Mul", [at("gelu twice"), "half"], at("gelu"));
    x = add("Add", [half, linear(active, at("down"), 4 * width, width)], `block ${k}`);
  }
  norm(x, "normed");
  add("Gather", ["normed", "first"], "class row", { axis: 1 }); // [1, D]
  add("Gemm", ["class row", given("head w", [classes, width]), given("head b", [classes])], "logits", { transB: 1 });
  return { opset: 17, inputs: [["pixels", [1, 3, side, side]]], outputs: ["logits"], nodes, constants };
}
