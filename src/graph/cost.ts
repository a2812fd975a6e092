import { type Source, sizeOf, type Tensor } from "./tensor.ts";

/**
 * Multiply-accumulates (MACs) that computing all of `results` takes, each node counted once:
 * convolutions (outputs x weights per output) and matrix products (outputs x inner size). Bias, batch norm, activations
 * and pooling are not counted, as everywhere in the literature.
 */
export function multiplyAccumulates(results: readonly Tensor[]): number {
  const seen = new Set<Source>();
  const visit = (tensor: Tensor): number => {
    const { source } = tensor;
    if (source.kind !== "node" || seen.has(source)) return 0;
    seen.add(source);
    const inputs = source.inputs.filter((one) => one !== null);
    const before = inputs.reduce((sum, one) => sum + visit(one), 0);
    return before + sizeOf(tensor.shape) * macsPerOutput(source.operator, inputs);
  };
  return results.reduce((sum, one) => sum + visit(one), 0);
}

function macsPerOutput(operator: string, inputs: readonly Tensor[]): number {
  switch (operator) {
    case "Conv":
      return scalesChannels(inputs[0]!, inputs[1]!) ? 0 : sizeOf(inputs[1]!.shape.slice(1));
    case "Gemm":
    case "MatMul":
      return inputs[0]!.shape.at(-1)!;
    default:
      return 0;
  }
}

/** One factor per channel: batch norm, written as a depthwise 1x1 convolution. */
function scalesChannels(x: Tensor, weight: Tensor): boolean {
  return weight.shape[0] === x.shape[1] && sizeOf(weight.shape) === weight.shape[0];
}
