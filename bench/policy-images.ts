/** Pictures that a network was not trained for, made from those of a dataset by functions on pixels. */
import { createSamples, type ImageShape, type Samples } from "../src/dataset/dataset.ts";
import { normal, seededRandom } from "../src/random.ts";

/** @param pixels [C, H, W] bytes of one picture @param image its place in the split @returns bytes, maybe out of 0..255 and not whole */
type Shift = (pixels: Uint8Array, shape: ImageShape, image: number) => Float32Array;

export const SHIFTS: Readonly<Record<string, Shift>> = {
  darker: (pixels) => Float32Array.from(pixels, (byte) => 0.3 * byte),
  noisy: (pixels, _, image) => {
    const random = seededRandom(0x5417, image);
    return Float32Array.from(pixels, (byte) => byte + 25 * normal(random));
  },
  blurred: (pixels, shape) => binomial(binomial(Float32Array.from(pixels), shape), shape),
};

/** The same pictures and labels, each picture changed. */
export function shifted({ pixels, labels, count }: Samples, shape: ImageShape, shift: Shift): Samples {
  const size = pixels.imageBytes;
  const changed = new Uint8ClampedArray(size * count); // rounds, and keeps within 0..255
  for (let i = 0; i < count; i++) changed.set(shift(pixels.read(i, i + 1), shape, i), i * size);
  return createSamples(new Uint8Array(changed.buffer), labels);
}

/** Each pixel becomes the mean of its 3 x 3 neighbours with weights 1 2 1 in both directions; the border repeats. */
function binomial(image: Float32Array, [channels, height, width]: ImageShape): Float32Array {
  const clamp = (value: number, size: number): number => Math.min(size - 1, Math.max(0, value));
  const result = new Float32Array(image.length);
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let dy = -1; dy <= 1; dy++)
          for (let dx = -1; dx <= 1; dx++) {
            const weight = (2 - Math.abs(dy)) * (2 - Math.abs(dx));
            sum += weight * image[(c * height + clamp(y + dy, height)) * width + clamp(x + dx, width)]!;
          }
        result[(c * height + y) * width + x] = sum / 16;
      }
  return result;
}
