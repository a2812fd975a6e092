/** Sets whose pictures are pixels already, made to another size by the one way to scale. */
import type { DatasetParts, ImageShape, Images } from "./dataset.ts";
import { memoryPixels, sharedBytes } from "./pixels.ts";
import { imageDataPixels } from "./scale.ts";

/** The same set with images of `shape`. */
export function rescaled(parts: DatasetParts, shape: ImageShape): DatasetParts {
  if (parts.imageShape.join() === shape.join()) return parts;
  const scale = (images: Images | null): Images | null => images && scaleImages(images, parts.imageShape, shape);
  return {
    ...parts,
    imageShape: shape,
    training: scale(parts.training),
    validation: scale(parts.validation),
    test: scale(parts.test),
  };
}

function scaleImages({ pixels, labels }: Images, [channels, height, width]: ImageShape, shape: ImageShape): Images {
  const size = shape[0] * shape[1] * shape[2];
  const area = height * width;
  const scaled = sharedBytes(pixels.count * size);
  const data = new Uint8Array(4 * area).fill(255);
  for (let image = 0; image < pixels.count; image++) {
    const planes = pixels.read(image, image + 1);
    for (let c = 0; c < 3; c++) {
      const from = channels === 1 ? 0 : c * area;
      for (let i = 0; i < area; i++) data[4 * i + c] = planes[from + i]!;
    }
    scaled.set(imageDataPixels({ data, width, height }, shape), image * size);
  }
  return { pixels: memoryPixels(scaled, size), labels };
}
