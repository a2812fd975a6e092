import { elementsOf } from "../graph/elements.ts";
import type { GraphDefinition } from "../graph/onnx.ts";
import { sizeOf } from "../graph/tensor.ts";
import type { StagedNetwork } from "../network/staged-network.ts";
import type { LearnedPolicy } from "../policy/learned-policy.ts";
import { type AnyValues, Program } from "../runtime/program.ts";
import type { Runtime } from "../runtime/runtime.ts";
import {
  type AnsweringStage,
  firstFeeds,
  handedOn,
  NEXT,
  type StageFeeds,
  type StageResults,
} from "./classification.ts";
import { type RecentTimes, recentTimes } from "./recent-times.ts";
import { looksBack, stageGraphs } from "./stage-programs.ts";

/** A session's first runs allocate: after these the others are as fast as the later ones. */
export const WARM_UP_RUNS = 2;
/** Enough for one of them to be as slow as it likes. */
const MEASURED_RUNS = 20;

interface StageSession {
  readonly program: Program;
  /** What is handed on for one image that goes on, of zeros, by name. */
  readonly black: AnyValues;
}

/** One session per stage, each made when it is first needed, and how long each takes for one image. One call at a time. */
export class StageSessions {
  readonly #runtime: Runtime;
  readonly #network: StagedNetwork;
  readonly #graph: (exit: number) => GraphDefinition;
  readonly #sessions: StageSession[] = [];
  /** What tells how wide an exit's row is, see `AnsweringStage`. */
  readonly told: { readonly classes: number; readonly looksBack: boolean };
  /** [E] of one image */
  readonly #times: readonly RecentTimes[];
  #areMeasured = false;
  #makingMs = 0;

  constructor(runtime: Runtime, network: StagedNetwork, policy: LearnedPolicy) {
    this.#runtime = runtime;
    this.#network = network;
    this.#graph = stageGraphs(network, policy);
    this.told = { classes: network.classes.length, looksBack: looksBack(policy) };
    this.#times = network.stages.map(() => recentTimes());
  }

  /** What has been spent on making sessions so far. */
  get makingMs(): number {
    return this.#makingMs;
  }

  answering(exit: number): AnsweringStage {
    return { exit, isLast: exit === this.#times.length - 1, ...this.told };
  }

  /** Makes the session of a stage, if there is none yet. */
  async prepare(exit: number): Promise<StageSession> {
    const known = this.#sessions[exit];
    if (known) return known;
    const begun = performance.now();
    const graph = this.#graph(exit);
    const handsOn = Object.entries(graph.outputs).filter(([name]) => name.startsWith(NEXT));
    const zeros = handsOn.map(([name, { shape, type }]) => [name, elementsOf(Array(sizeOf(shape)).fill(0), type)]);
    const program = await Program.compile(this.#runtime, graph);
    const made = { program, black: Object.fromEntries(zeros) };
    this.#sessions[exit] = made;
    this.#makingMs += performance.now() - begun;
    return made;
  }

  /** @param rows how many images the feeds are of */
  async run(exit: number, feeds: StageFeeds, rows: number): Promise<StageResults> {
    const { program } = await this.prepare(exit);
    const begun = performance.now();
    const results = await program.run<StageResults>(feeds);
    if (rows === 1 && this.#areMeasured) this.#times[exit]!.add(performance.now() - begun);
    return results;
  }

  /** Whether a stage, begun now, would probably end after the deadline, see `recentTimes`; of a stage that there is not, never. */
  isLate(exit: number, deadline: number): boolean {
    const times = this.#times[exit];
    return times !== undefined && performance.now() + times.estimate() > deadline;
  }

  /** Makes all sessions and times them, if that has not been done yet: a deadline needs to know how long each stage takes. */
  async measure(lambda: number): Promise<void> {
    if (this.#areMeasured) return;
    for (let run = -WARM_UP_RUNS; run < MEASURED_RUNS; run++) {
      let feeds: StageFeeds = firstFeeds(new Float32Array(sizeOf(this.#network.inputs[0]!.shape)), 1, lambda);
      for (const [exit, times] of this.#times.entries()) {
        const { program, black } = await this.prepare(exit);
        const begun = performance.now();
        const results = await program.run<StageResults>(feeds);
        if (run >= 0) times.add(performance.now() - begun);
        const sentOn = { ...results, ...black }; // the agent may not send this image on
        feeds = handedOn(feeds, sentOn, this.answering(exit), 1, [0]);
      }
    }
    this.#areMeasured = true;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map(({ program }) => program.close()));
  }
}
