/**
 * A prepared network as bytes without the weights that are in its file already: with the file itself, nothing has to be run again to
 * have it back. An ONNX file itself, whose shapes are kept as JSON beside the graph.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { type Model, ModelSchema, type Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { type ExternalFiles, withExternalData } from "./external-data.ts";
import { withStoredConstants } from "./fold.ts";
import { type FileGraph, fileGraph, parseModel } from "./onnx-file.ts";
import type { Prepared } from "./prepare.ts";

const KEY = "earlyexit";
const shape = z.array(z.number());
const described = z.object({
  opset: z.number(),
  inputs: z.array(z.object({ name: z.string(), type: z.string(), dims: z.array(z.union([z.number(), z.string()])) })),
  main: z.string(),
  answer: z.string(),
  classes: z.number().nullable(),
  hadSoftmax: z.boolean(),
  tensors: z.record(z.string(), z.object({ shape, type: z.string(), batchAxis: z.number().nullable() })),
  seen: z.tuple([z.record(z.string(), shape), z.record(z.string(), shape)]),
});

/** @param bytes of the file that it was prepared from */
export function encodePlan(prepared: Prepared, bytes: Uint8Array, external: ExternalFiles): Uint8Array {
  const { graph, tensors, seen, ...others } = prepared;
  const inFile = constantsOf(bytes, external, "network");
  const own = [...graph.constants].filter(([name]) => !inFile.has(name));
  const json = { ...others, tensors: Object.fromEntries(tensors), seen: seen.map((one) => Object.fromEntries(one)) };
  const model = create(ModelSchema, {
    irVersion: 9n,
    opsetImport: [...graph.opsets].map(([domain, version]) => ({ domain, version: BigInt(version) })),
    metadataProps: [{ key: KEY, value: JSON.stringify(json) }],
    graph: { name: "plan", node: [...graph.nodes], initializer: own.map(([name, one]) => ({ ...one, name })) },
  });
  return toBinary(ModelSchema, model);
}

/**
 * @param bytes of the file that the plan belongs to
 * @throws {UserError} if the plan is damaged, or belongs to another file
 */
export function decodePlan(plan: Uint8Array, bytes: Uint8Array, external: ExternalFiles, where: string): Prepared {
  const model = parsedPlan(plan, where);
  const text = model.metadataProps.find(({ key }) => key === KEY)?.value ?? "";
  const { tensors, seen, ...others } = described.parse(JSON.parse(text));
  const constants = new Map<string, StoredTensor>([
    ...constantsOf(bytes, external, where),
    ...model.graph!.initializer.map((one): [string, StoredTensor] => [one.name!, one]),
  ]);
  const graph: FileGraph = {
    opsets: new Map(model.opsetImport.map(({ domain = "", version = 0n }) => [domain, Number(version)])),
    inputs: others.inputs,
    outputs: [others.answer],
    nodes: model.graph!.node,
    constants,
  };
  const shapes = seen.map((one) => new Map(Object.entries(one))) as unknown as Prepared["seen"];
  return { ...others, graph, tensors: new Map(Object.entries(tensors)), seen: shapes };
}

function parsedPlan(plan: Uint8Array, where: string): Model {
  try {
    return fromBinary(ModelSchema, plan);
  } catch (cause) {
    throw new UserError(`${where}: how the network is cut expected, found bytes that say nothing; attach it again`, {
      cause,
    });
  }
}

function constantsOf(bytes: Uint8Array, external: ExternalFiles, where: string): FileGraph["constants"] {
  return withStoredConstants(fileGraph(withExternalData(parseModel(bytes, where), external, where), where)).constants;
}
