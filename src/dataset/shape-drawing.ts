import { fillUniform, integer, type Random, uniform } from "../random.ts";

/** The ten classes, in the order of the labels. */
export const SHAPE_CLASSES: readonly string[] = [
  "circle",
  "square",
  "triangle",
  "star",
  "cross",
  "ring",
  "heart",
  "moon",
  "arrow",
  "hourglass",
];

/** Pictures are 3 x SIDE x SIDE. */
export const SIDE = 32;
const AREA = SIDE * SIDE;

/**
 * Signed distance of a point to the outline, negative inside. Every shape lies in the unit circle, centred, y downwards.
 *
 * @see Inigo Quilez, "2D distance functions", https://iquilezles.org/articles/distfunctions2d/
 */
type Distance = (x: number, y: number) => number;

/** [K] in the order of SHAPE_CLASSES. */
const DISTANCES: readonly Distance[] = [
  (x, y) => length(x, y) - 0.85,
  polygon([-0.7, -0.7, 0.7, -0.7, 0.7, 0.7, -0.7, 0.7]),
  polygon([0, -1, 0.87, 0.6, -0.87, 0.6]),
  polygon(star(5, 0.42)),
  polygon([
    -0.28, -0.95, 0.28, -0.95, 0.28, -0.28, 0.95, -0.28, 0.95, 0.28, 0.28, 0.28, 0.28, 0.95, -0.28, 0.95, -0.28, 0.28,
    -0.95, 0.28, -0.95, -0.28, -0.28, -0.28,
  ]),
  (x, y) => Math.abs(length(x, y) - 0.68) - 0.22,
  heart,
  moon,
  polygon([0, -1, 0.8, -0.1, 0.3, -0.1, 0.3, 0.9, -0.3, 0.9, -0.3, -0.1, -0.8, -0.1]),
  polygon([-0.75, -0.85, 0.75, -0.85, 0.12, 0, 0.75, 0.85, -0.75, 0.85, -0.12, 0]),
];

type Colour = readonly [red: number, green: number, blue: number];

/** Where and how a shape is painted: pixels, radians, bytes. */
interface Placement {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly angle: number;
  readonly colour: Colour;
}

/**
 * Draws one picture of a class. The largest shape is the one that counts.
 *
 * At difficulty 0 it is large, upright, of high contrast, on a plain background. As difficulty grows it gets smaller,
 * turned by any angle, fainter and noisier; stripes and a gradient fill the background, bars cross it, and small
 * shapes of other classes lie around it, whose corners and curves mislead a network that sees small patches only.
 *
 * @param label 0..9, an index into SHAPE_CLASSES
 * @param difficulty 0 (easy) to 1 (hard)
 * @returns [3, 32, 32] bytes
 */
export function drawShape(label: number, difficulty: number, random: Random): Uint8Array {
  if (!Number.isInteger(label) || label < 0 || label >= SHAPE_CLASSES.length) {
    throw new RangeError(`drawShape: expected a label in 0..${SHAPE_CLASSES.length - 1}, found ${label}`);
  }
  const canvas = new Float32Array(3 * AREA); // [3, SIDE, SIDE]
  const contrast = between(random, 130, 160) * (1 - 0.4 * difficulty);
  const level = between(random, 20, 60 + (195 - contrast) * difficulty); // the darker of background and shape
  const isLight = uniform(random) < 1 - difficulty / 2;
  const background = tinted(random, isLight ? level : level + contrast);
  const colour = tinted(random, isLight ? level + contrast : level);

  paintBackground(canvas, background, contrast * 0.4 * difficulty, random);
  const shape = placeShape(difficulty, colour, random);
  for (let i = Math.round(4 * difficulty); i > 0; i--) {
    const other = (label + integer(random, 1, SHAPE_CLASSES.length - 1)) % SHAPE_CLASSES.length;
    paint(canvas, DISTANCES[other]!, placeBeside(shape, random));
  }
  paint(canvas, DISTANCES[label]!, shape);
  for (let i = Math.round(1.4 * difficulty); i > 0; i--) paintBar(canvas, shape, random);
  return toBytes(canvas, 14 * difficulty, random);
}

function placeShape(difficulty: number, colour: Colour, random: Random): Placement {
  const radius = between(random, 11.5, 13) * (1 - 0.35 * difficulty);
  const room = SIDE / 2 - radius - 0.5;
  const turn = Math.PI * Math.min(1, 0.02 + 2 * difficulty);
  return {
    x: SIDE / 2 + between(random, -room, room),
    y: SIDE / 2 + between(random, -room, room),
    radius,
    angle: between(random, -turn, turn),
    colour,
  };
}

/** A place for a small shape, touching the large one at most. */
function placeBeside(shape: Placement, random: Random): Placement {
  const radius = shape.radius * between(random, 0.3, 0.45);
  const direction = between(random, 0, 2 * Math.PI);
  const distance = (shape.radius + radius) * between(random, 0.95, 1.25);
  return {
    x: clamp(shape.x + distance * Math.cos(direction), 0, SIDE),
    y: clamp(shape.y + distance * Math.sin(direction), 0, SIDE),
    radius,
    angle: between(random, 0, 2 * Math.PI),
    colour: shape.colour,
  };
}

/** Lays a colour where the distance is negative; the outline is blended over one pixel. */
function paint(canvas: Float32Array, distance: Distance, { x, y, radius, angle, colour }: Placement): void {
  const cos = Math.cos(angle) / radius;
  const sin = Math.sin(angle) / radius;
  const reach = radius + 1;
  for (let row = Math.max(0, Math.floor(y - reach)); row < Math.min(SIDE, y + reach); row++) {
    for (let column = Math.max(0, Math.floor(x - reach)); column < Math.min(SIDE, x + reach); column++) {
      const dx = column + 0.5 - x;
      const dy = row + 0.5 - y;
      const pixels = radius * distance(cos * dx + sin * dy, cos * dy - sin * dx);
      if (pixels < 0.5) blend(canvas, row * SIDE + column, colour, Math.min(1, 0.5 - pixels));
    }
  }
}

/** A straight bar through the shape, off its centre, in a colour of its own. */
function paintBar(canvas: Float32Array, shape: Placement, random: Random): void {
  const halfWidth = between(random, 0.7, 1.3);
  const offset = shape.radius * between(random, 0.2, 0.7);
  const bar: Distance = (_, y) => Math.abs(y - offset) - halfWidth;
  const angle = between(random, 0, 2 * Math.PI);
  const colour = tinted(random, between(random, 30, 225));
  // The bar's own unit is the pixel; its "radius" only has to reach across the picture.
  paint(canvas, (x, y) => bar(x * SIDE * 2, y * SIDE * 2) / (SIDE * 2), { ...shape, radius: SIDE * 2, angle, colour });
}

/** One colour, plus a gradient and stripes of this amplitude. */
function paintBackground(canvas: Float32Array, colour: Colour, amplitude: number, random: Random): void {
  for (let c = 0; c < 3; c++) canvas.fill(colour[c]!, c * AREA, (c + 1) * AREA);
  if (amplitude === 0) return;
  const slope = between(random, 0, 2 * Math.PI);
  const direction = between(random, 0, 2 * Math.PI);
  const frequency = (2 * Math.PI) / between(random, 4, 12);
  for (let i = 0; i < AREA; i++) {
    const x = (i % SIDE) - SIDE / 2;
    const y = Math.floor(i / SIDE) - SIDE / 2;
    const gradient = (Math.cos(slope) * x + Math.sin(slope) * y) / SIDE;
    const stripes = Math.sin(frequency * (Math.cos(direction) * x + Math.sin(direction) * y));
    for (let c = 0; c < 3; c++) canvas[c * AREA + i]! += amplitude * (gradient + 0.5 * stripes);
  }
}

/** Rounds to bytes, with noise uniform in -noise..noise. */
function toBytes(canvas: Float32Array, noise: number, random: Random): Uint8Array {
  const grain = new Float32Array(canvas.length).fill(0.5);
  if (noise > 0) fillUniform(random, grain);
  const bytes = new Uint8Array(canvas.length);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = clamp(Math.round(canvas[i]! + noise * (2 * grain[i]! - 1)), 0, 255);
  }
  return bytes;
}

function blend(canvas: Float32Array, pixel: number, colour: Colour, share: number): void {
  for (let c = 0; c < 3; c++) {
    const i = c * AREA + pixel;
    canvas[i] = canvas[i]! + share * (colour[c]! - canvas[i]!);
  }
}

/** A colour near the grey of this level. */
function tinted(random: Random, level: number): Colour {
  const channel = () => clamp(level + between(random, -25, 25), 0, 255);
  return [channel(), channel(), channel()];
}

/** @param corners x0, y0, x1, y1, ... in order around the outline */
function polygon(corners: readonly number[]): Distance {
  const count = corners.length / 2;
  const xs = Float64Array.from({ length: count }, (_, i) => corners[2 * i]!);
  const ys = Float64Array.from({ length: count }, (_, i) => corners[2 * i + 1]!);
  return (x, y) => {
    let nearest = Number.POSITIVE_INFINITY; // squared
    let isInside = false;
    for (let i = 0, j = count - 1; i < count; j = i++) {
      const edgeX = xs[j]! - xs[i]!;
      const edgeY = ys[j]! - ys[i]!;
      const dx = x - xs[i]!;
      const dy = y - ys[i]!;
      const along = clamp((dx * edgeX + dy * edgeY) / (edgeX * edgeX + edgeY * edgeY), 0, 1);
      nearest = Math.min(nearest, (dx - edgeX * along) ** 2 + (dy - edgeY * along) ** 2);
      if (dy < 0 !== y - ys[j]! < 0 && dx < (edgeX * dy) / edgeY) isInside = !isInside;
    }
    return isInside ? -Math.sqrt(nearest) : Math.sqrt(nearest);
  };
}

function star(points: number, innerRadius: number): number[] {
  return Array.from({ length: 2 * points }, (_, i) => {
    const radius = i % 2 === 0 ? 1 : innerRadius;
    const angle = (Math.PI * i) / points;
    return [radius * Math.sin(angle), -radius * Math.cos(angle)];
  }).flat();
}

function heart(x: number, y: number): number {
  const size = 1.55; // of the unit heart, whose tip is at (0, 0) and whose top is at 1.1
  const px = Math.abs(x) / size;
  const py = 0.55 - y / size;
  if (px + py > 1) return size * (length(px - 0.25, py - 0.75) - Math.SQRT2 / 4);
  const diagonal = 0.5 * Math.max(px + py, 0);
  return size * Math.min(length(px, py - 1), length(px - diagonal, py - diagonal)) * Math.sign(px - py);
}

/** A circle less another one, of radius 0.8, moved to the right by 0.5. */
function moon(x: number, y: number): number {
  const outer = 0.95;
  const inner = 0.8;
  const moved = 0.5;
  const height = Math.abs(y);
  const tipX = (outer ** 2 - inner ** 2 + moved ** 2) / (2 * moved);
  const tipY = Math.sqrt(outer ** 2 - tipX ** 2);
  if (x * tipY - height * tipX > moved * Math.max(tipY - height, 0)) return length(x - tipX, height - tipY);
  return Math.max(length(x, height) - outer, inner - length(x - moved, height));
}

/** Twenty times as fast as Math.hypot. */
function length(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * uniform(random);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
