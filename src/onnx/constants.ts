/** Other numbers in the place of a network's constants, in its file and in what was prepared from it. */
import { toBinary } from "@bufbuild/protobuf";
import { type Model, ModelSchema, type Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { type ExternalFiles, withExternalData } from "./external-data.ts";
import { isStandard, parseModel } from "./onnx-file.ts";
import type { Prepared } from "./prepare.ts";
import { bytesOf, dimensions, stored } from "./stored-tensor.ts";

interface Changed {
  readonly file: Uint8Array;
  readonly external: ExternalFiles;
  readonly prepared: Prepared;
}

/**
 * The nodes stay as they are. Constants that the file does not store, as they were computed from others, are changed in what was
 * prepared alone. Weights that lay beside the file are in it afterwards.
 *
 * @param values float32, by the name of the constant
 */
export function withConstants(
  { file, external, prepared }: Changed,
  values: ReadonlyMap<string, Float32Array>,
): Changed {
  const made = new Map(prepared.graph.constants);
  for (const [name, data] of values) {
    const before = made.get(name);
    if (!before) throw new RangeError(`onnx: a constant of the network expected, found ${name}`);
    made.set(name, stored(name, "float32", dimensions(before), bytesOf(data.slice())));
  }
  const model = withExternalData(parseModel(file, "network"), external, "network");
  for (const tensor of storedTensors(model, new Set(values.keys()))) {
    const { rawData } = made.get(tensor.name)!;
    Object.assign(tensor.stored, { rawData, floatData: [], dataType: 1 });
  }
  return {
    file: toBinary(ModelSchema, model),
    external: new Map(),
    prepared: { ...prepared, graph: { ...prepared.graph, constants: made } },
  };
}

/** Initializers and the values of `Constant` nodes, by the name that others know them by. */
function storedTensors({ graph }: Model, names: ReadonlySet<string>): { name: string; stored: StoredTensor }[] {
  const held = graph!.node.flatMap((node) => {
    const value =
      isStandard(node) && node.opType === "Constant"
        ? node.attribute.find(({ name }) => name === "value")?.t
        : undefined;
    return value ? [{ name: node.output[0]!, stored: value }] : [];
  });
  const all = [...graph!.initializer.map((one) => ({ name: one.name!, stored: one })), ...held];
  return all.filter(({ name }) => names.has(name));
}
