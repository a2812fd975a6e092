/** What `network info` says of somebody else's network. */
import { type Cut, findCuts, lastJoin, totalMacs } from "./cuts.ts";
import type { Prepared } from "./prepare.ts";
import { dimensions, storedBytes, typeName } from "./stored-tensor.ts";

export interface NetworkInfo {
  readonly opset: number;
  /** Domains of its operators beside the standard. */
  readonly domains: readonly string[];
  readonly inputs: readonly {
    readonly name: string;
    readonly type: string;
    readonly shape: readonly (number | string)[];
  }[];
  readonly answer: {
    readonly name: string;
    readonly shape: readonly number[];
    readonly classes: number | null;
    readonly softmax: boolean;
  };
  /** Numbers in its weights, and the bytes that these take. */
  readonly parameters: number;
  readonly bytes: number;
  /** Multiply-accumulates for one picture. */
  readonly macs: number;
  readonly cuts: readonly Cut[];
  /** Where there is no cut: what joins the ways from input to answer; null if there is one way. */
  readonly join?: string | null;
}

export function describeNetwork(prepared: Prepared): NetworkInfo {
  const cuts = findCuts(prepared);
  const { graph, inputs, answer, classes, hadSoftmax, tensors } = prepared;
  const weights = [...graph.constants.values()].filter(
    ({ dataType }) => !/^(int32|int64|bool)$/.test(typeName(dataType)),
  );
  const count = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);
  return {
    opset: prepared.opset,
    domains: [...new Set(graph.nodes.map(({ domain }) => domain ?? ""))].filter(
      (domain) => domain && domain !== "ai.onnx",
    ),
    inputs: inputs.map(({ name, type, dims }) => ({ name, type, shape: dims })),
    answer: { name: answer, shape: tensors.get(answer)!.shape, classes, softmax: hadSoftmax },
    parameters: weights.reduce((sum, one) => sum + count(dimensions(one)), 0),
    bytes: weights.reduce((sum, one) => sum + storedBytes(one), 0),
    macs: totalMacs(prepared),
    cuts,
    ...(cuts.length === 0 ? { join: lastJoin(prepared) } : {}),
  };
}
