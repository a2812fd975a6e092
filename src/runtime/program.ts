import type { InferenceSession, OnnxValue, Tensor as OrtTensor } from "onnxruntime-common";
import { type ElementType, holds, type TensorData } from "../graph/elements.ts";
import { batchAxis, type GraphDefinition, nextName, type SerializedGraph, serialize } from "../graph/onnx.ts";
import type { Update } from "../graph/optimizer.ts";
import { type Shape, show, sizeOf, type Tensor, type Variable } from "../graph/tensor.ts";
import { fillUniform, seededRandom } from "../random.ts";
import { dataOf, type Runtime, type SessionOptions } from "./runtime.ts";

export interface ProgramOptions extends Omit<SessionOptions, "resident"> {
  /** Seeds the random inputs (dropout); default 0. */
  readonly seed?: number;
}

/** Most graphs take and give floats; `AnyValues` are those of the others. */
export type Values = Record<string, Float32Array>;
export type AnyValues = Record<string, TensorData>;

/** An input that the caller feeds. */
interface Fed {
  readonly name: string;
  readonly shape: Shape;
  readonly type: ElementType;
  /** The axis that may have any size, and how many values there are per unit of it; null where the batch is fixed. */
  readonly batch: { readonly axis: number; readonly size: number } | null;
}

/**
 * A compiled graph with the variables that it changes.
 *
 * A variable is an ONNX Runtime tensor that one run returns and the next one takes: nothing here copies weights or
 * moments. With WebGPU they stay in the graphics processor's memory until somebody reads them. (On the CPU, the binding of
 * `onnxruntime-node` 1.30 itself copies every output once, preallocated or not.)
 */
export class Program {
  readonly #session: InferenceSession;
  readonly #runtime: Runtime;
  /** Of the definition nothing else is kept: the constants in it are in the session already. */
  readonly #updates: readonly Update[];
  readonly #seed: number;
  readonly #inputs: readonly Fed[];
  readonly #outputNames: readonly string[];
  readonly #random: readonly { readonly name: string; readonly values: Float32Array }[];
  readonly #variables: ReadonlyMap<string, Variable>;
  readonly #current = new Map<string, OnnxValue>();
  /**
   * Brings variables back from the device's memory: made when one is first read from there. A session that hands its inputs on, as
   * tensors of `onnxruntime-node` 1.30 cannot download themselves.
   */
  #download: InferenceSession | undefined;
  #fetching: Promise<void> | undefined;
  /** What the session takes: variables that are written but never read are not among its inputs. */
  readonly #feeds: Record<string, OnnxValue> = {};
  readonly #isFed: ReadonlySet<string>;
  /** The standard operators that the graph is made of, sorted. */
  readonly operators: readonly string[];

  private constructor(
    runtime: Runtime,
    session: InferenceSession,
    definition: GraphDefinition,
    serialized: SerializedGraph,
    seed: number,
  ) {
    this.#runtime = runtime;
    this.#session = session;
    this.#updates = definition.updates ?? [];
    this.#seed = seed;
    this.operators = serialized.operators;
    this.#inputs = serialized.inputs.filter((one) => !isRandom(one)).map((one) => fed(one, definition));
    this.#outputNames = Object.keys(definition.outputs);
    this.#random = serialized.inputs.filter(isRandom).map((one) => {
      const values = new Float32Array(sizeOf(one.shape));
      this.#feeds[nameOf(one)] = runtime.tensor(values, one.shape);
      return { name: nameOf(one), values };
    });
    this.#isFed = new Set(serialized.variables.map(nameOf));
    const changed = this.#updates.map(({ variable }) => variable);
    this.#variables = new Map([...serialized.variables, ...changed].map((one) => [one.source.name, one]));
    for (const [name, { source }] of this.#variables) this.write(name, source.initial());
  }

  /** @throws {RangeError} if two inputs, variables or outputs share a name */
  static async compile(runtime: Runtime, definition: GraphDefinition, options: ProgramOptions = {}): Promise<Program> {
    const { seed = 0, ...sessionOptions } = options;
    const serialized = serialize(definition);
    const resident = (definition.updates ?? []).map(({ variable }) => nextName(variable));
    const session = await runtime.createSession(serialized.bytes, { ...sessionOptions, resident });
    return new Program(runtime, session, definition, serialized, seed);
  }

  /**
   * One run: reads the inputs and the variables, changes the variables, returns the outputs.
   *
   * @param step decides the random inputs, together with the seed
   * @typeParam Results what the caller knows of the outputs, for example `{ class: BigInt64Array }`; default: all are floats
   * @throws {RangeError} if an input is missing or has the wrong size
   * @throws {TypeError} if an input is an array of another type
   */
  async run<Results extends AnyValues = Values>(feeds: Readonly<AnyValues>, step = 0): Promise<Results> {
    for (const one of this.#inputs) this.#feeds[one.name] = this.#feed(one, feeds[one.name]);
    this.#random.forEach(({ values }, i) => {
      fillUniform(seededRandom(this.#seed, step, i), values);
    });
    const results = await this.#session.run(this.#feeds);
    for (const { variable } of this.#updates) this.#set(variable.source.name, results[nextName(variable)]!);
    const values: AnyValues = {};
    for (const name of this.#outputNames) values[name] = dataOf(results[name] as OrtTensor);
    return values as Results;
  }

  #feed({ name, shape, type, batch }: Fed, data: TensorData | undefined): OnnxValue {
    const expected = batch ? batch.size : sizeOf(shape);
    if (!data || (batch ? data.length % expected !== 0 : data.length !== expected))
      throw new RangeError(
        `program: input ${name} expects ${batch ? `a multiple of ${expected}` : expected} values ` +
          `(${show(shape)}), found ${data ? data.length : "nothing"}`,
      );
    if (!holds(data, type))
      throw new TypeError(`program: input ${name} expects an array of ${type}, found ${data.constructor.name}`);
    const sizes = batch ? shape.map((size, axis) => (axis === batch.axis ? data.length / expected : size)) : shape;
    return this.#runtime.tensor(data, sizes, type);
  }

  /**
   * The current value of a variable. The array is the program's own: copy it to keep it. With WebGPU, read before `close`, and
   * while no run is under way.
   */
  async read(name: string): Promise<Float32Array> {
    this.#variable(name);
    if (isResident(this.#current.get(name)!)) {
      this.#fetching ??= this.#fetch(); // those who read at the same time share it
      await this.#fetching;
    }
    return this.#current.get(name)!.data as Float32Array;
  }

  /** Brings every variable back from the device's memory; the next run takes them there again. */
  async #fetch(): Promise<void> {
    const changed = this.#updates.map(({ variable }) => variable);
    try {
      this.#download ??= await this.#runtime.createSession(handOn(changed));
      const feeds = Object.fromEntries(changed.map(({ source: { name } }) => [name, this.#current.get(name)!]));
      const results = await this.#download.run(feeds);
      for (const one of changed) {
        const { name } = one.source;
        if (this.#current.get(name) === feeds[name]) this.#set(name, results[nextName(one)]!); // else written meanwhile
      }
    } finally {
      this.#fetching = undefined;
    }
  }

  /** Sets a variable. */
  write(name: string, values: Float32Array): void {
    const { shape } = this.#variable(name);
    if (values.length !== sizeOf(shape))
      throw new RangeError(`program: variable ${name} expects ${sizeOf(shape)} values, found ${values.length}`);
    this.#set(name, this.#runtime.tensor(values.slice(), shape));
  }

  /** Copies of all variables, by name. */
  async variables(): Promise<Map<string, { shape: Shape; data: Float32Array }>> {
    const all = new Map<string, { shape: Shape; data: Float32Array }>();
    for (const [name, { shape }] of this.#variables) all.set(name, { shape, data: (await this.read(name)).slice() });
    return all;
  }

  /** @throws {RangeError} if there is no such variable */
  shapeOf(name: string): Shape {
    return this.#variable(name).shape;
  }

  get variableNames(): string[] {
    return [...this.#variables.keys()];
  }

  #set(name: string, value: OnnxValue): void {
    this.#free(name);
    this.#current.set(name, value);
    if (this.#isFed.has(name)) this.#feeds[name] = value;
  }

  #variable(name: string): Variable {
    const found = this.#variables.get(name);
    if (found) return found;
    throw new RangeError(`program: one of the variables ${this.variableNames.join(", ")} expected, found ${name}`);
  }

  #free(name: string): void {
    const value = this.#current.get(name);
    if (value && isResident(value)) value.dispose();
  }

  /** Frees the session; with a profile, this writes it. */
  async close(): Promise<void> {
    for (const name of this.#variables.keys()) this.#free(name);
    await this.#download?.release();
    await this.#session.release();
  }
}

/** A graph whose outputs are its inputs. */
function handOn(variables: readonly Variable[]): Uint8Array {
  return serialize({ outputs: Object.fromEntries(variables.map((one) => [nextName(one), one])) }).bytes;
}

function isResident({ location }: OnnxValue): boolean {
  return location === "gpu-buffer";
}

function fed(tensor: Tensor, definition: GraphDefinition): Fed {
  const { shape, type } = tensor;
  const name = nameOf(tensor);
  const axis = batchAxis(definition, name);
  const isFixed = axis === null || axis >= shape.length;
  return { name, shape, type, batch: isFixed ? null : { axis, size: sizeOf(shape.filter((_, i) => i !== axis)) } };
}

function isRandom(tensor: Tensor): boolean {
  return tensor.source.kind === "input" && tensor.source.random;
}

function nameOf({ source }: Tensor): string {
  if (source.kind !== "input" && source.kind !== "variable") throw new TypeError("program: an input expected");
  return source.name;
}
