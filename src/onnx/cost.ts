/** Multiply-accumulates of somebody else's operators, from the real shapes of a run. */
import type { Node } from "../graph/onnx_pb.ts";
import { integerAttribute, textAttribute } from "./onnx-file.ts";

export type ShapeOf = (name: string) => readonly number[] | undefined;

/** Positions of the two matrices among the inputs of products that are written differently. */
const PRODUCTS: Readonly<Record<string, readonly [left: number, right: number]>> = {
  MatMul: [0, 1],
  MatMulInteger: [0, 1],
  FusedMatMul: [0, 1],
  FusedMatMulActivation: [0, 1],
  MatMulIntegerToFloat: [0, 1],
  DynamicQuantizeMatMul: [0, 1],
  QLinearMatMul: [0, 3],
};
/** The position of the weight among the inputs of convolutions. */
const CONVOLUTIONS: Readonly<Record<string, number>> = {
  Conv: 1,
  FusedConv: 1,
  NhwcFusedConv: 1,
  ConvInteger: 1,
  QLinearConv: 3,
};

/**
 * One node's multiply-accumulates: outputs x weights per output for convolutions, outputs x inner size for products. Bias,
 * normalisation, activations and pooling are not counted, as everywhere in the literature.
 */
export function nodeMacs(node: Node, shape: ShapeOf): number {
  const operator = node.opType!;
  const output = size(shape(node.output[0]!));
  const input = (position: number): readonly number[] => shape(node.input[position]!) ?? [];
  if (operator in CONVOLUTIONS) return output * size(input(CONVOLUTIONS[operator]!).slice(1));
  if (operator in PRODUCTS) return output * innerSize(node, input(PRODUCTS[operator]![0]));
  switch (operator) {
    case "ConvTranspose":
      return size(input(0)) * size(input(1).slice(1));
    case "Gemm":
    case "FusedGemm":
      return output * input(0)[integerAttribute(node, "transA", 0) ? 0 : 1]!;
    case "MatMulNBits":
      return output * integerAttribute(node, "K", 0);
    case "Einsum":
      return einsumMacs(
        textAttribute(node, "equation") ?? "",
        node.input.map((name) => shape(name) ?? []),
      );
    case "Attention":
      return node.domain === "com.microsoft"
        ? fusedAttentionMacs(input(0), input(1))
        : attentionMacs(input(0), input(1), input(2));
    case "MultiHeadAttention":
      return packedAttentionMacs(input(0), input(1), input(2));
    case "LSTM":
    case "GRU":
    case "RNN":
      return input(0)[0]! * input(0)[1]! * (size(input(1)) + size(input(2)));
    default:
      return 0;
  }
}

function innerSize(node: Node, left: readonly number[]): number {
  return integerAttribute(node, "transA", 0) ? (left.at(-2) ?? 1) : (left.at(-1) ?? 1);
}

/** The product over all letters: each is one loop. */
function einsumMacs(equation: string, shapes: readonly (readonly number[])[]): number {
  const terms = equation.replace(/\s/g, "").split("->")[0]!.split(",");
  if (terms.length < 2) return 0;
  const sizes = new Map<string, number>();
  for (const [i, term] of terms.entries()) {
    const letters = [...term.replace("...", "")];
    const from = (shapes[i]?.length ?? 0) - letters.length;
    if (term.includes("...")) sizes.set(`... ${i}`, 1);
    for (const [k, letter] of letters.entries()) sizes.set(letter, shapes[i]?.[from + k] ?? 1);
  }
  return [...sizes.values()].reduce((product, one) => product * one, 1);
}

/** @param x [B, L, D] @param weight [D, 3 D'] */
function fusedAttentionMacs([batch = 0, length = 0, width = 0]: readonly number[], weight: readonly number[]): number {
  const inner = (weight[1] ?? 0) / 3;
  return batch * length * (width * 3 * inner + 2 * length * inner);
}

/** @param query [B, H, L, D] or [B, L, D] */
function attentionMacs(query: readonly number[], key: readonly number[], value: readonly number[]): number {
  const others = size(query.slice(0, -2));
  const [from, to] = [query.at(-2) ?? 0, key.at(-2) ?? 0];
  return others * from * to * ((query.at(-1) ?? 0) + (value.at(-1) ?? 0));
}

function packedAttentionMacs(query: readonly number[], key: readonly number[], value: readonly number[]): number {
  return attentionMacs(query, key.length === 3 ? key : query, value.length === 3 ? value : query);
}

function size(shape: readonly number[] | undefined): number {
  return (shape ?? []).reduce((product, one) => product * one, 1);
}
