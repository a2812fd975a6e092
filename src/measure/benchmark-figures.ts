/** What a benchmark tells: plain data, all times in milliseconds. */
import type { ExitCosts } from "../exits/exit-table.ts";

/** Backbone and last head alone, as one session. Every time is per image: that of a batch divided by its size. */
export interface FullTime {
  readonly batch: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly cpuMsPerImage: number;
  /** null where the processor's energy counter cannot be read */
  readonly joulesPerImage: number | null;
}

/** One image that leaves at an exit whatever it shows, through the session that the classifier takes for one image. */
export interface ExitTime {
  /** 1..E */
  readonly exit: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /**
   * Mean time where each image leaves at an exit drawn by the agent's shares at the recommended lambda, on validation images:
   * the weights of later stages may have left the processor's cache.
   */
  readonly mixedMs: number;
}

/** One stage with its head and its decision as a session of its own, where every image goes on. Every time is per image. */
export interface StageTime {
  /** The exit at its end, 1..E. */
  readonly exit: number;
  readonly batch: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** Images that leave where the agent wants. Every time is per image. */
export interface AdaptiveTime extends FullTime {
  readonly lambda: number;
  /** 0..1, on the images measured */
  readonly accuracy: number;
  /** [E] */
  readonly exitShares: readonly number[];
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly imagesPerSecond: number;
  /** 1 - mean cost / full cost */
  readonly macSavings: number;
  /** 1 - mean time / mean time of the full network at this batch size */
  readonly timeSavings: number;
  /**
   * 1 - predicted time / mean time of the full network. Predicted from the exit shares and, at batch 1, the mean time of leaving at each
   * exit in the mix of the recommended lambda (`mixedMs`); in batches the mean time of each stage, as if it were as fast for the
   * images that are left as for the whole batch. What the classifier does around the runs (reading answers, making up the smaller
   * batch) is in neither.
   */
  readonly predictedTimeSavings: number;
}

/** The model as one graph that exits by itself, one image at a time. */
export interface OneFileTime {
  readonly lambda: number;
  readonly meanMs: number;
  readonly p50Ms: number;
}

/** Another network, whole: backbone and last head as one session. */
export interface AgainstTime extends FullTime {
  /** Of its blueprint. */
  readonly name: string;
}

/** The same model in 8 bits, measured in the same turns. */
export interface TwinFigures {
  /** Images/s of the 8-bit full network over those of the float one. */
  readonly full: readonly { readonly batch: number; readonly speedup: number }[];
  readonly adaptive: readonly {
    readonly batch: number;
    readonly lambda: number;
    /** It is the one that the 8-bit model recommends. */
    readonly recommended: boolean;
    /** Images/s of the adaptive 8-bit classifier over those of the float full network. */
    readonly overFloatFull: number;
    /** 0..1, on the images measured */
    readonly accuracy: number;
    /** Of the float model at the same mean MACs, between its agent's points; null where no lambda of its costs as much or as little. */
    readonly floatAccuracy: number | null;
    /** The 8-bit model's accuracy less the float model's there, each image once, with its paired bootstrap interval (95%); null as above. */
    readonly difference: { readonly mean: number; readonly interval: readonly [low: number, high: number] } | null;
    readonly meanMacs: number;
    readonly cpuMsPerImage: number;
    readonly joulesPerImage: number | null;
  }[];
  /** The share of the images that both networks give one class: at the exit where it is least. */
  readonly agreement: number;
  /** As that of the float model: all stages one after the other against the full network, both in 8 bits, at batch 1. */
  readonly pathOverhead: number;
}

/** What `bench --json` prints. */
export interface BenchmarkFigures {
  readonly threads: number;
  /** The recommended one. */
  readonly lambda: number;
  /** In MACs, whatever the policy was priced in. */
  readonly costs: ExitCosts;
  readonly full: readonly FullTime[];
  readonly stages: readonly StageTime[];
  /** At batch 1. */
  readonly exits: readonly ExitTime[];
  /** Median time of a run that computes next to nothing: one multiplication. */
  readonly emptyRunMs: number;
  readonly adaptive: readonly AdaptiveTime[];
  /** Mean time of all stages one after the other, as the classifier runs them where nobody leaves, over that of the full network, minus 1, at batch 1. */
  readonly pathOverhead: number;
  /** The same with a session for each stage, as a deadline takes them: their mean times added up. */
  readonly stagePathOverhead: number;
  /** At the recommended lambda; null where no such graph was given. */
  readonly oneFile: OneFileTime | null;
  /** Absent where there is no twin in 8 bits. */
  readonly int8?: TwinFigures;
  /** At each batch size; empty where no other network was given. */
  readonly against: readonly AgainstTime[];
}
