/**
 * What flows through a part of somebody else's network while it is trained, and how a node of its file sees it.
 *
 * A value of four axes is held as a map [H, W, C, B] where the operators on maps want it so, whose gradients are fast (see
 * `plane.ts`), and in the file's order of axes, "plain", everywhere else.
 */
import { reshape } from "../graph/broadcast.ts";
import { elementsFromBytes } from "../graph/elements.ts";
import { transpose } from "../graph/layout.ts";
import type { Node, Tensor as StoredTensor } from "../graph/onnx_pb.ts";
import { constant, type Shape, show, sizeOf, type Tensor, type Variable } from "../graph/tensor.ts";
import { attributeOf, integerAttribute, textAttribute } from "../onnx/onnx-file.ts";
import { dimensions, integersOf, rawBytes, typeName } from "../onnx/stored-tensor.ts";

export interface Value {
  readonly tensor: Tensor;
  /** [H, W, C, B] of what the file has as [B, C, H, W] (its axes 2, 3, 1, 0, whatever they mean). */
  readonly isMap: boolean;
  /** Something that is trained stands before it. */
  readonly isTrained: boolean;
}

/** What a parameter is: it decides its rate and its decay. Ends its name, as everywhere (see `initialValues`). */
export type ParameterKind = "weight" | "bias" | "gamma" | "beta";

/** Why an operator of the file has no gradient here: it stays as it came, with all before it. */
export class NotTrainable extends Error {}

/** A node of the file, with what flows into it. */
export interface NodeView {
  readonly node: Node;
  /** B */
  readonly batch: number;
  /** How many inputs it has, those that are left out at the end not counted. */
  readonly count: number;
  /** What flows into input i; a constant as a value that nothing trains. @throws {NotTrainable} if there is none, or it is not float32 */
  value(i: number): Value;
  /** Whether input i is a constant of the file. */
  isConstant(i: number): boolean;
  /** Whether input i is there at all. */
  has(i: number): boolean;
  /** Whole numbers of a constant input, or null where there is none. @throws {NotTrainable} if it is computed */
  integers(i: number): number[] | null;
  /** The one number of a constant input, or null where there is none. @throws {NotTrainable} if it is computed, or not one */
  number(i: number): number | null;
  /** A constant that training changes, in the file's shape. @throws {NotTrainable} unless it is float32 and stored in the file */
  parameter(i: number, kind: ParameterKind): Variable;
  /** Running statistics of a batch norm: renewed by the batches where that is wanted, else as they came. */
  statistics(mean: number, variance: number): Statistics;
  /** Of output i, for this batch. */
  shape(i?: number): Shape;
  integer(name: string, otherwise: number): number;
  float(name: string, otherwise: number): number;
  text(name: string, otherwise: string): string;
  list(name: string): number[] | null;
}

export interface Statistics {
  readonly mean: Variable | Tensor;
  readonly variance: Variable | Tensor;
  /** Told the statistics of each batch; null where they stay as they came. */
  readonly renew: ((mean: Tensor, variance: Tensor) => void) | null;
}

/** The attributes of a node. */
export function attributesOf(node: Node): Pick<NodeView, "integer" | "float" | "text" | "list"> {
  return {
    integer: (name, otherwise) => integerAttribute(node, name, otherwise),
    float: (name, otherwise) => attributeOf(node, name)?.f ?? otherwise,
    text: (name, otherwise) => textAttribute(node, name) ?? otherwise,
    list: (name) => {
      const found = attributeOf(node, name);
      return found && found.ints.length > 0 ? found.ints.map(Number) : null;
    },
  };
}

/** [B, C, H, W] as [H, W, C, B]. @throws {NotTrainable} if it has not four axes */
export function asMap({ tensor, isMap }: Value): Tensor {
  if (isMap) return tensor;
  if (tensor.shape.length !== 4) throw new NotTrainable(`maps of 4 axes expected, found ${show(tensor.shape)}`);
  return transpose(tensor, [2, 3, 1, 0]);
}

/** In the file's order of axes. A map of one pixel is turned round as a matrix. */
export function asPlain({ tensor, isMap }: Value): Tensor {
  return isMap ? transpose(tensor, [3, 2, 0, 1]) : tensor;
}

/** Where an axis of the file lies in a map. */
export const MAP_AXES = [3, 2, 0, 1] as const;

/** A constant or parameter that goes with a map by the rules of broadcasting: its axes, with those of size 1 in front, turned as the map's are. */
export function besideMap(x: Tensor): Tensor {
  const four = [1, 1, 1, 1, ...x.shape].slice(-4);
  const lead = reshape(x, four);
  const varied = four.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  if (varied.length > 1) return transpose(lead, [2, 3, 1, 0]);
  const turned = [2, 3, 1, 0].map((axis) => four[axis]!);
  return reshape(x, turned);
}

/** Values of a stored tensor. @throws {NotTrainable} unless they are float32 */
export function floatConstant(stored: StoredTensor): Tensor {
  return constant(floatsOf(stored), dimensions(stored));
}

export function floatsOf(stored: StoredTensor): Float32Array {
  const type = typeName(stored.dataType);
  if (type !== "float32") throw new NotTrainable(`float32 expected, found ${type} in ${stored.name}`);
  return elementsFromBytes(rawBytes(stored), "float32") as Float32Array;
}

/** @throws {NotTrainable} if they are no whole numbers */
export function wholeNumbers(stored: StoredTensor): number[] {
  const found = integersOf(stored);
  if (!found) throw new NotTrainable(`whole numbers expected, found ${typeName(stored.dataType)} in ${stored.name}`);
  return found;
}

/** @throws {NotTrainable} unless it is one number */
export function oneNumber(stored: StoredTensor): number {
  if (sizeOf(dimensions(stored)) !== 1) throw new NotTrainable(`one number expected, found [${dimensions(stored)}]`);
  return floatsOf(stored)[0]!;
}
