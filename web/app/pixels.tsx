import type { ImageShape } from "earlyexit/web";
import { useLayoutEffect, useRef } from "preact/hooks";

interface PixelsProps {
  /** [C, H, W] bytes 0..255, C = 1 or 3 */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
  /** What it shows, for who cannot see it. */
  readonly label: string;
}

/** An image as the network sees it. */
export function Pixels({ pixels, shape, label }: PixelsProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [channels, height, width] = shape;
  useLayoutEffect(() => {
    const image = new ImageData(width, height);
    const area = width * height;
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[(channels === 1 ? 0 : c) * area + i]!;
      image.data[4 * i + 3] = 255;
    }
    canvas.current!.getContext("2d")!.putImageData(image, 0, 0);
  }, [pixels, channels, width, height]);
  const said = label === "" ? { "aria-hidden": true } : { role: "img" as const, "aria-label": label };
  return <canvas class="pixels" ref={canvas} width={width} height={height} {...said} />;
}
