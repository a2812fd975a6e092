/** Anybody's ONNX file, ready to be cut: constants folded, shapes known, operators in today's form. */
import { UserError } from "../errors.ts";
import { OPSET } from "../graph/older-opset.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { answerOutput, classesOf, mainInput, withoutSoftmax } from "./answer.ts";
import { anyBatch } from "./batch.ts";
import { type ExternalFiles, withExternalData } from "./external-data.ts";
import { foldConstants } from "./fold.ts";
import {
  dependingOn,
  type FileGraph,
  type FileInput,
  fileGraph,
  madeNode,
  onlyNeeded,
  parseModel,
} from "./onnx-file.ts";
import { resolveShapes, shapeTensors } from "./shape-arithmetic.ts";
import { dimensions } from "./stored-tensor.ts";
import { type OpenSizes, openFile, runFile, sizedDims, trialFeeds, type Value, type Values, values } from "./trial.ts";
import { upgrade } from "./upgrade.ts";

export interface PreparedTensor {
  /** For a batch of one. */
  readonly shape: readonly number[];
  /** See `TYPE_NAMES`. */
  readonly type: string;
  /** Where its size is that of the batch; null where it is nowhere. */
  readonly batchAxis: number | null;
}

export interface Prepared {
  readonly graph: FileGraph;
  /** Of the file as it came. */
  readonly opset: number;
  readonly inputs: readonly FileInput[];
  /** The input at which the data flow begins. */
  readonly main: string;
  /** The tensor that is the answer: logits, where a softmax at the end was taken out. */
  readonly answer: string;
  /** K; null if the answer is not [B, K]. */
  readonly classes: number | null;
  readonly hadSoftmax: boolean;
  /** Of everything that is computed, and of the inputs. */
  readonly tensors: ReadonlyMap<string, PreparedTensor>;
  /** Shapes of all tensors, constants among them, for a batch of two and one of three. */
  readonly seen: readonly [ReadonlyMap<string, readonly number[]>, ReadonlyMap<string, readonly number[]>];
}

export interface PrepareOptions {
  readonly runtime: Runtime;
  /** The file's name, for messages. */
  readonly where: string;
  /** Height and width of pictures where the file leaves them open; default 224. */
  readonly side?: number;
  /** The files that its weights lie in, if they are not in the file itself. */
  readonly external?: ExternalFiles;
}

const DEFAULT_SIDE = 224;
/** Tokens of a text where the file leaves them open, in two runs. */
const LENGTHS = [24, 16] as const;

/**
 * @throws {UserError} if it is no ONNX file, ONNX Runtime does not take it, or rows of a batch influence each other
 */
export async function prepare(bytes: Uint8Array, options: PrepareOptions): Promise<Prepared> {
  const { runtime, where, side = DEFAULT_SIDE, external = new Map() } = options;
  const file = fileGraph(withExternalData(parseModel(bytes, where), external, where), where);
  const sizes = (batch: number, length: number = LENGTHS[0]): OpenSizes => ({ batch, side, length });
  const folded = await foldConstants(runtime, openBatch(file), where);
  const { graph: batched, trial } = await takingAnyBatch(runtime, folded, sizes, where);
  const resolved = resolveShapes(batched, [trial.two, trial.three, trial.other]);
  const { two } = trial;
  const answer = answerOutput(file, (name) => two.tensors.get(name)!, where);
  const today = onlyNeeded(
    upgrade(resolved, (name) => constantOr(resolved, two, name), where),
    [answer],
  );
  const isNewer = file.opsets.get("")! > OPSET;
  const isRewritten = isNewer || everything(today).some((name) => !two.tensors.has(name));
  const again = isRewritten ? await tryOutToday(runtime, today, sizes, where, isNewer) : trial;
  checkSame(trial, again, answer, where, isNewer);
  const { graph, removed } = withoutSoftmax(today, answer, (name) => constantOr(today, again.two, name));
  const runs = [again.two, again.three] as const;
  return {
    graph,
    opset: file.opsets.get("")!,
    inputs: graph.inputs.map((one) => ({
      ...one,
      dims: one.dims.map((size, i) => (typeof size === "string" && i > 0 ? sizedDims(one, sizes(1))[i]! : size)),
    })),
    main: mainInput(graph.inputs, where),
    answer,
    classes: classesOf(two.tensors.get(answer)!.shape),
    hadSoftmax: removed,
    tensors: tensorsOf(runs),
    seen: runs.map((run) => shapesOf(graph, run)) as unknown as Prepared["seen"],
  };
}

/** Whatever the file says of its inputs' first axis, it may be any. */
function openBatch(graph: FileGraph): FileGraph {
  const inputs = graph.inputs.map((one) => ({
    ...one,
    dims: one.dims.map((size, axis) => (axis === 0 ? "batch" : size)),
  }));
  return { ...graph, inputs };
}

/** What a run of a graph tells of all its tensors, and the values of those that are looked at. */
interface Run {
  readonly tensors: ReadonlyMap<string, Pick<Value, "shape" | "type">>;
  /** Outputs, and what is computed from shapes alone. */
  readonly values: Values;
}

interface Trial {
  readonly one: Run;
  readonly two: Run;
  readonly three: Run;
  /** Two rows of another length; `two` where no length is open. */
  readonly other: Run;
}

type Sizes = (batch: number, length?: number) => OpenSizes;

/** Every tensor is an output, so that its type is told, with its shape as another one; only what is looked at is brought over. */
async function tryOut(runtime: Runtime, graph: FileGraph, sizes: Sizes, where: string): Promise<Trial> {
  const all = everything(graph);
  const shapeName = (name: string): string => `${name}:its shape`;
  const measured = { ...graph, nodes: [...graph.nodes, ...all.map((one) => madeNode("Shape", [one], shapeName(one)))] };
  const session = await openFile(runtime, measured, [...all, ...all.map(shapeName)], where);
  const types = new Map(session.outputMetadata.map((one) => [one.name, one.isTensor ? one.type : "no tensor"]));
  const looked = [...new Set([...shapeTensors(graph), ...graph.outputs])];
  const run = async (batch: number, length?: number): Promise<Run> => {
    const feeds = trialFeeds(graph.inputs, sizes(batch, length));
    const results = await runFile(session, feeds, [...looked, ...all.map(shapeName)]);
    const tensors = all.map((name): [string, Pick<Value, "shape" | "type">] => [
      name,
      { shape: values.integers(results.get(shapeName(name))!)!, type: types.get(name)! },
    ]);
    return { tensors: new Map([...feeds, ...tensors]), values: results };
  };
  try {
    const isOpen = graph.inputs.some(
      ({ dims }) => dims.length !== 4 && dims.slice(1).some((size) => typeof size === "string"),
    );
    const [one, two, three] = [await run(1), await run(2), await run(3)];
    return { one, two, three, other: isOpen ? await run(2, LENGTHS[1]) : two };
  } finally {
    await session.release();
  }
}

function everything({ nodes, outputs }: FileGraph): string[] {
  return [...new Set([...nodes.flatMap(({ output }) => output.filter(Boolean)), ...outputs])];
}

/** A file that fails with two rows, or mixes them, is tried again with its constants of one row made any number. */
async function takingAnyBatch(
  runtime: Runtime,
  graph: FileGraph,
  sizes: Sizes,
  where: string,
): Promise<{ graph: FileGraph; trial: Trial }> {
  const attempt = async (one: FileGraph): Promise<Trial> => {
    const trial = await tryOut(runtime, one, sizes, where);
    checkRows(trial, one.outputs, where);
    return trial;
  };
  try {
    return { graph, trial: await attempt(graph) };
  } catch (cause) {
    const session = await openFile(runtime, graph, everything(graph), where);
    let alone: Values;
    try {
      alone = await runFile(session, trialFeeds(graph.inputs, sizes(1)));
    } catch (error) {
      throw new UserError(
        `${where}: a network that takes ${described(graph.inputs, sizes(1))} expected, found one of which ONNX Runtime says: ` +
          `${firstLine(error)}; say with --input how large its pictures are, or export it again`,
        { cause: error },
      );
    } finally {
      await session.release();
    }
    const inputs = new Map(trialFeeds(graph.inputs, sizes(1)));
    const dependent = dependingOn(graph.nodes, new Set(graph.inputs.map(({ name }) => name)));
    const open = anyBatch(graph, new Map([...inputs, ...alone]), dependent);
    try {
      return { graph: open, trial: await attempt(open) };
    } catch (error) {
      throw new UserError(
        `${where}: a network that takes any number of pictures expected, found one that takes one at a time ` +
          `(${firstLine(error ?? cause)}); export it with a dynamic batch axis`,
        { cause },
      );
    }
  }
}

function described(inputs: readonly FileInput[], sizes: OpenSizes): string {
  return inputs.map((one) => `${one.name} [${sizedDims(one, sizes)}]`).join(", ");
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 240);
}

/** A row alone and in a batch: batch normalisation in its training form, for one, mixes them. */
function checkRows({ one, three }: Trial, outputs: readonly string[], where: string): void {
  for (const name of outputs) {
    const [alone, together] = [one.values.get(name)!, three.values.get(name)!];
    if (alone.shape[0] !== 1 || together.shape[0] !== 3)
      throw new UserError(
        `${where}: an output ${name} with one row per picture expected, found [${together.shape}] for three; export it so`,
      );
    const difference = largestDifference(values.numbers(alone), values.numbers(together));
    if (difference > tolerance(alone.type))
      throw new UserError(
        `${where}: the same ${name} for a row alone and in a batch expected, found a difference of ${difference.toPrecision(2)} ` +
          "(relative); batch normalisation may be in its training form: call eval() before you export it",
      );
  }
}

/** In today's form; what was newer may not run in it. */
async function tryOutToday(
  runtime: Runtime,
  graph: FileGraph,
  sizes: Sizes,
  where: string,
  isNewer: boolean,
): Promise<Trial> {
  try {
    return await tryOut(runtime, graph, sizes, where);
  } catch (cause) {
    throw isNewer ? otherMeaning(where, `one of which ONNX Runtime says: ${firstLine(cause)}`, cause) : cause;
  }
}

function otherMeaning(where: string, found: string, cause?: unknown): UserError {
  return new UserError(
    `${where}: operators that mean the same in opset ${OPSET} expected, found ${found}; export it with opset ${OPSET} or older`,
    { cause },
  );
}

/** @param isNewer it was carried as it is: then an operator may mean something else today, else the rewriting is wrong */
function checkSame(before: Trial, after: Trial, answer: string, where: string, isNewer: boolean): void {
  const [was, is] = [before.three.values.get(answer)!, after.three.values.get(answer)!];
  const difference = largestDifference(values.numbers(was), values.numbers(is));
  if (difference <= tolerance(was.type)) return;
  if (isNewer) throw otherMeaning(where, `answers that differ by ${difference.toPrecision(2)} (relative)`);
  throw new Error(`${where}: the rewritten network differs from the original by ${difference} (relative)`);
}

function tolerance(type: string): number {
  return type === "float16" ? 2e-2 : 1e-4;
}

/** Largest difference over the shorter of the two, relative to the largest value. */
function largestDifference(a: Float64Array | null, b: Float64Array | null): number {
  if (!a || !b) return 0;
  const count = Math.min(a.length, b.length);
  let [most, scale] = [0, 1e-6];
  for (let i = 0; i < count; i++) {
    most = Math.max(most, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(a[i]!));
  }
  return most / scale;
}

function constantOr({ constants }: FileGraph, { tensors }: Run, name: string): Pick<Value, "shape" | "type"> {
  const stored = constants.get(name);
  return tensors.get(name) ?? { shape: stored ? dimensions(stored) : [], type: "float32" };
}

function shapesOf({ constants }: FileGraph, { tensors }: Run): Map<string, readonly number[]> {
  return new Map([
    ...[...constants].map(([name, one]): [string, readonly number[]] => [name, dimensions(one)]),
    ...[...tensors].map(([name, { shape }]): [string, readonly number[]] => [name, shape]),
  ]);
}

function tensorsOf([two, three]: readonly [Run, Run]): Map<string, PreparedTensor> {
  return new Map(
    [...two.tensors].map(([name, { shape, type }]): [string, PreparedTensor] => {
      const other = three.tensors.get(name)!.shape;
      const axes = shape.flatMap((size, axis) => (size === 2 && other[axis] === 3 ? [axis] : []));
      const alone = shape.map((size, axis) => 2 * size - (other[axis] ?? size)); // sizes are linear in the batch
      return [name, { shape: alone, type, batchAxis: axes[0] ?? null }];
    }),
  );
}
