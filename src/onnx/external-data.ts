/** Weights that lie in files beside the ONNX file: which, and put into their places. No file is touched here. */
import { UserError } from "../errors.ts";
import type { Attribute, Graph, Model, Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { storedBytes } from "./stored-tensor.ts";

/** ONNX Runtime takes files of less than 2 GiB from memory. */
export const MOST_BYTES = 2 ** 31 - 1;

/** Bytes of the files beside, by the name that the ONNX file gives them. */
export type ExternalFiles = ReadonlyMap<string, Uint8Array>;

/** The files that weights lie in, each once, in their order. */
export function externalLocations(model: Model): string[] {
  return [...new Set(externalTensors(model).map((tensor) => entry(tensor, "location") ?? ""))];
}

/**
 * Puts the weights into the model.
 *
 * @throws {UserError} if a file is missing or too short
 */
export function withExternalData(model: Model, files: ExternalFiles, where: string): Model {
  for (const tensor of externalTensors(model)) {
    const location = entry(tensor, "location") ?? "";
    const file = files.get(location);
    if (!file)
      throw new UserError(
        `${where}: its weights in ${location} beside it expected, found no such file; copy it there, or export into one file`,
      );
    const offset = Number(entry(tensor, "offset") ?? 0);
    const length = Number(entry(tensor, "length") ?? storedBytes(tensor));
    const isInside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!isInside || offset + length > file.length)
      throw new UserError(
        `${where}: ${length} bytes of ${tensor.name} from ${offset} on expected in ${location}, found ${file.length} bytes in all; ` +
          "the file is cut short, copy it again",
      );
    tensor.rawData = file.subarray(offset, offset + length);
    tensor.externalData = [];
    tensor.dataLocation = 0;
  }
  return model;
}

function externalTensors(model: Model): StoredTensor[] {
  return model.graph ? tensorsOf(model.graph).filter(({ dataLocation }) => dataLocation === 1) : [];
}

function tensorsOf(graph: Graph): StoredTensor[] {
  const ofAttribute = ({ t, tensors, g, graphs }: Attribute): StoredTensor[] => [
    ...(t ? [t] : []),
    ...tensors,
    ...[...(g ? [g] : []), ...graphs].flatMap(tensorsOf),
  ];
  return [...graph.initializer, ...graph.node.flatMap(({ attribute }) => attribute.flatMap(ofAttribute))];
}

function entry({ externalData }: StoredTensor, name: string): string | undefined {
  return externalData.find(({ key }) => key === name)?.value;
}
