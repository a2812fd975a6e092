/** The last two minutes, second by second: what the page shows. */
const SECONDS = 120;

interface Second {
  /** Whole seconds since 1970. */
  readonly at: number;
  arrivals: number;
  refused: number;
  /** [E] */
  readonly exits: number[];
  /** The highest of the second. */
  price: number;
  readonly latencies: number[];
}

export interface LiveSecond {
  readonly at: number;
  readonly arrivals: number;
  readonly refused: number;
  readonly exits: readonly number[];
  readonly price: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface LiveMeter {
  arrived(): void;
  refused(): void;
  /** @param exit 1..E */
  answered(exit: number, price: number, latencyMs: number): void;
  /** The oldest first; seconds without traffic are left out. */
  read(): LiveSecond[];
}

/** @param now seconds since 1970 */
export function createLiveMeter(exits: number, now: () => number = () => Date.now() / 1000): LiveMeter {
  let seconds: Second[] = [];

  function current(): Second {
    const at = Math.floor(now());
    const last = seconds.at(-1);
    if (last && last.at >= at) return last; // a clock that was set back changes nothing
    const next = { at, arrivals: 0, refused: 0, exits: new Array<number>(exits).fill(0), price: 0, latencies: [] };
    seconds = [...seconds.filter((one) => one.at > at - SECONDS), next];
    return next;
  }

  return {
    arrived: () => void current().arrivals++,
    refused: () => void current().refused++,
    answered(exit, price, latencyMs) {
      const second = current();
      second.exits[exit - 1]! += 1;
      second.price = Math.max(second.price, price);
      second.latencies.push(latencyMs);
    },
    read: () =>
      seconds.map(({ latencies, ...second }) => {
        const sorted = latencies.toSorted((a, b) => a - b);
        return { ...second, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) };
      }),
  };
}

function quantile(sorted: readonly number[], q: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
}
