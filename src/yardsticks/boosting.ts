import { integer, type Random, seededRandom } from "../random.ts";

/**
 * Gradient-boosted regression trees on histograms, for squared error: prediction = base + rate * sum of trees.
 *
 * Columns are cut once into at most 32 bins at quantiles; every tree is grown level by level on a random half of the rows
 * and each split is the one that lowers the squared error most.
 * Letters: N rows, D columns, T trees, L levels.
 *
 * @see Friedman, "Stochastic Gradient Boosting" (2002); Ke et al., "LightGBM" (NeurIPS 2017) for the histograms, but full levels here
 */
interface BoostingOptions {
  /** T; default 120 */
  readonly trees: number;
  /** L; default 3: at most 8 leaves */
  readonly levels: number;
  /** what each tree adds; default 0.05 */
  readonly rate: number;
  /** share of the rows that each tree sees; default 0.5 */
  readonly share: number;
  /** rows that each side of a split must keep (of those seen); default 20 */
  readonly leafRows: number;
  readonly seed: number;
}

const BOOSTING_DEFAULTS: BoostingOptions = {
  trees: 120,
  levels: 3,
  rate: 0.05,
  share: 0.5,
  leafRows: 20,
  seed: 0,
};

const BINS = 32;

/** Node n has the children 2n + 1 (value <= threshold) and 2n + 2; an unsplit node has threshold Infinity. */
export interface Tree {
  /** [2^L - 1] column that a node looks at */
  readonly column: Uint16Array;
  /** [2^L - 1] */
  readonly threshold: Float32Array;
  /** [2^L] */
  readonly leaf: Float32Array;
}

export interface Boosted {
  readonly base: number;
  readonly trees: readonly Tree[];
}

/** The columns that vary, as bins. */
interface Binned {
  readonly count: number;
  /** [D'] which column of x each is */
  readonly columns: readonly number[];
  /** [D'] increasing upper borders of the bins but the last */
  readonly borders: readonly Float32Array[];
  /** [D'] of [N] */
  readonly bins: readonly Uint8Array[];
}

/**
 * @param x [N, D] row by row
 * @param y [N]
 * @throws {RangeError} if x is not a whole number of rows per y, or there is none
 */
export function fitBoosted(x: Float32Array, y: Float64Array, options: Partial<BoostingOptions> = {}): Boosted {
  const settings = { ...BOOSTING_DEFAULTS, ...options };
  if (y.length === 0 || x.length % y.length !== 0)
    throw new RangeError(`fitBoosted: x [N, D] and y [N] expected, found ${x.length} and ${y.length} values`);
  const binned = binColumns(x, y.length);
  const random = seededRandom(settings.seed, 0xb0057);
  const base = y.reduce((sum, one) => sum + one, 0) / y.length;
  const residual = y.map((one) => one - base);
  const trees: Tree[] = [];
  const node = new Uint16Array(y.length);
  for (let t = 0; t < settings.trees && binned.columns.length > 0; t++) {
    const seen = drawRows(random, y.length, settings.share);
    const tree = growTree(binned, residual, seen, node, settings);
    for (let i = 0; i < residual.length; i++) residual[i]! -= tree.leaf[node[i]!]!;
    trees.push(tree);
  }
  return { base, trees };
}

/** [N] predictions for x [N, D]. */
export function predictBoosted({ base, trees }: Boosted, x: Float32Array, count: number): Float64Array {
  const result = new Float64Array(count).fill(base);
  for (const tree of trees) addTree(tree, x, result);
  return result;
}

/** Adds what one tree says of every row of x [N, D] to `sum` [N]. */
export function addTree({ column, threshold, leaf }: Tree, x: Float32Array, sum: Float64Array): void {
  const width = x.length / sum.length;
  const inner = column.length;
  for (let i = 0; i < sum.length; i++) {
    let node = 0;
    while (node < inner) node = 2 * node + (x[i * width + column[node]!]! > threshold[node]! ? 2 : 1);
    sum[i]! += leaf[node - inner]!;
  }
}

function binColumns(x: Float32Array, count: number): Binned {
  const width = x.length / count;
  const columns: number[] = [];
  const borders: Float32Array[] = [];
  const bins: Uint8Array[] = [];
  for (let column = 0; column < width; column++) {
    const values = Float32Array.from({ length: count }, (_, i) => x[i * width + column]!);
    const border = quantileBorders(values.slice().sort());
    if (border.length === 0) continue;
    columns.push(column);
    borders.push(border);
    bins.push(Uint8Array.from(values, (value) => binOf(border, value)));
  }
  return { count, columns, borders, bins };
}

/** Distinct borders, each halfway to the next larger value. */
function quantileBorders(sorted: Float32Array): Float32Array {
  const borders = new Set<number>();
  for (let b = 1; b < BINS; b++) {
    const at = Math.floor((b * sorted.length) / BINS);
    if (at === 0 || sorted[at] === sorted[0]) continue;
    const value = sorted[at]!;
    let below = at - 1;
    while (sorted[below] === value) below--;
    borders.add(Math.fround((sorted[below]! + value) / 2));
  }
  return Float32Array.from(borders).sort();
}

/** How many borders lie below `value`. */
function binOf(borders: Float32Array, value: number): number {
  let [low, high] = [0, borders.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value > borders[middle]!) low = middle + 1;
    else high = middle;
  }
  return low;
}

function drawRows(random: Random, count: number, share: number): Uint32Array {
  const drawn = Math.max(1, Math.round(share * count));
  if (share >= 1) return Uint32Array.from({ length: count }, (_, i) => i);
  return Uint32Array.from({ length: drawn }, () => integer(random, 0, count - 1));
}

/** Grows one tree; afterwards `node` [N] holds the leaf of every row, seen or not. */
function growTree(
  binned: Binned,
  residual: Float64Array,
  seen: Uint32Array,
  node: Uint16Array,
  { levels, rate, leafRows }: BoostingOptions,
): Tree {
  const inner = 2 ** levels - 1;
  const tree: Tree = {
    column: new Uint16Array(inner),
    threshold: new Float32Array(inner).fill(Infinity),
    leaf: new Float32Array(inner + 1),
  };
  node.fill(0);
  for (let level = 0; level < levels; level++) {
    const nodes = 2 ** level;
    const splits = bestSplits(binned, residual, seen, node, nodes, leafRows);
    splits.forEach(({ column, bin }, n) => {
      if (column < 0) return;
      tree.column[nodes - 1 + n] = binned.columns[column]!;
      tree.threshold[nodes - 1 + n] = binned.borders[column]![bin]!;
    });
    for (let i = 0; i < binned.count; i++) {
      const { column, bin } = splits[node[i]!]!;
      node[i] = 2 * node[i]! + (column >= 0 && binned.bins[column]![i]! > bin ? 1 : 0);
    }
  }
  const [sums, counts] = [new Float64Array(inner + 1), new Float64Array(inner + 1)];
  for (const i of seen) {
    sums[node[i]!]! += residual[i]!;
    counts[node[i]!]! += 1;
  }
  for (let leaf = 0; leaf <= inner; leaf++) if (counts[leaf]!) tree.leaf[leaf] = (rate * sums[leaf]!) / counts[leaf]!;
  return tree;
}

/** For each node the column and the bin after which to cut; column -1 where no cut lowers the error. */
function bestSplits(
  { columns, bins, borders }: Binned,
  residual: Float64Array,
  seen: Uint32Array,
  node: Uint16Array,
  nodes: number,
  leafRows: number,
): { column: number; bin: number }[] {
  const best = Array.from({ length: nodes }, () => ({ column: -1, bin: 0, gain: 1e-9 }));
  const [sums, counts] = [new Float64Array(nodes * BINS), new Float64Array(nodes * BINS)];
  for (let column = 0; column < columns.length; column++) {
    const bin = bins[column]!;
    sums.fill(0);
    counts.fill(0);
    for (let s = 0; s < seen.length; s++) {
      const i = seen[s]!;
      const cell = node[i]! * BINS + bin[i]!;
      sums[cell]! += residual[i]!;
      counts[cell]!++;
    }
    for (let n = 0; n < nodes; n++) {
      const [totalSum, totalCount] = [total(sums, n), total(counts, n)];
      let [sum, count] = [0, 0];
      for (let b = 0; b < borders[column]!.length; b++) {
        sum += sums[n * BINS + b]!;
        count += counts[n * BINS + b]!;
        const rest = totalCount - count;
        if (count < leafRows || rest < leafRows) continue;
        const gain = sum ** 2 / count + (totalSum - sum) ** 2 / rest - totalSum ** 2 / totalCount;
        if (gain > best[n]!.gain) best[n] = { column, bin: b, gain };
      }
    }
  }
  return best;
}

function total(cells: Float64Array, node: number): number {
  let sum = 0;
  for (let b = 0; b < BINS; b++) sum += cells[node * BINS + b]!;
  return sum;
}
