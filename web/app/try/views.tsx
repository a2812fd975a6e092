import type { Occlusion } from "earlyexit/web";
import { useEffect, useRef, useState } from "preact/hooks";
import { Closed } from "../client.ts";
import { Pixels } from "../pixels.tsx";
import type { LoadedModel } from "../use-model.ts";
import type { TriedImage } from "./images.ts";
import type { Answer } from "./use-answers.ts";

interface ViewsProps {
  readonly model: LoadedModel;
  readonly image: TriedImage;
  readonly answer: Answer;
  readonly lambda: number;
  readonly tell: (problem: unknown) => void;
}

/** The picture as it is, as the network sees it, and where each exit's answer comes from. */
export function Views({ model, image, answer, lambda, tell }: ViewsProps) {
  const { client, facts } = model;
  const [found, setFound] = useState<Occlusion | null>(null);
  const [isLooking, setIsLooking] = useState(false);
  const [, height, width] = facts.imageShape;
  const look = (): void => {
    setIsLooking(true);
    client
      .occlude(image.pixels, lambda)
      .then(setFound, (problem: unknown) => !(problem instanceof Closed) && tell(problem))
      .finally(() => setIsLooking(false));
  };
  return (
    <details class="views">
      <summary>What the network sees</summary>
      <div class="view-row">
        {image.file && <Original file={image.file} ratio={width / height} />}
        <figure>
          <Pixels pixels={image.pixels} shape={facts.imageShape} label={`${image.name}, as the network sees it`} />
          <figcaption>
            as the network sees it: {width} x {height}
          </figcaption>
        </figure>
        {found?.drops.map((drops, exit) => (
          <figure key={exit} class={exit < answer.exit ? undefined : "untaken"}>
            <div class="heat">
              <Pixels pixels={image.pixels} shape={facts.imageShape} label="" />
              <Heat drops={drops} grid={found.grid} label={heatLabel(drops, found.grid, exit)} />
            </div>
            <figcaption>
              exit {exit + 1}
              {exit < answer.exit ? "" : " (not taken)"}
            </figcaption>
          </figure>
        ))}
      </div>
      {found ? (
        <p class="note">
          Bright: without this part the exit would be less sure of its answer. Parts were covered with the picture's
          mean colour, one after the other.
        </p>
      ) : (
        <button type="button" disabled={isLooking} onClick={look}>
          {isLooking ? "Covering parts of it..." : "Where does the answer come from?"}
        </button>
      )}
    </details>
  );
}

/** In its own resolution, what is cut off in the shade. @param ratio width / height of what the network sees */
function Original({ file, ratio }: { readonly file: File; readonly ratio: number }) {
  const [address, setAddress] = useState("");
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  const kept = size && keptPart(size.width / size.height, ratio);
  return (
    <figure>
      <div class="original">
        {address && (
          <img
            src={address}
            alt={file.name}
            onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
              setSize({ width: naturalWidth, height: naturalHeight })
            }
          />
        )}
        {kept && (
          <span
            class="kept"
            style={{ width: `${100 * kept.width}%`, height: `${100 * kept.height}%` }}
            aria-hidden="true"
          />
        )}
      </div>
      <figcaption>
        {size
          ? `as it is: ${size.width} x ${size.height}${kept && isWhole(kept) ? "" : ", the shade is cut off"}`
          : "as it is"}
      </figcaption>
    </figure>
  );
}

/** Shares of the picture's sides that are kept: it is scaled until it covers the network's size, and cut in the middle. */
export function keptPart(picture: number, network: number): { width: number; height: number } {
  return picture > network ? { width: network / picture, height: 1 } : { width: 1, height: picture / network };
}

function isWhole({ width, height }: { width: number; height: number }): boolean {
  return width > 0.99 && height > 0.99;
}

/** Dark where nothing is lost, clear where most of the answer is. */
function Heat({ drops, grid, label }: { readonly drops: Float32Array; readonly grid: number; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const image = new ImageData(grid, grid);
    const most = Math.max(...drops, 0.02); // below, nothing matters much
    for (const [i, drop] of drops.entries()) image.data[4 * i + 3] = 215 * (1 - Math.max(0, drop) / most);
    canvas.current!.getContext("2d")!.putImageData(image, 0, 0);
  }, [drops, grid]);
  return <canvas ref={canvas} width={grid} height={grid} role="img" aria-label={label} />;
}

function heatLabel(drops: Float32Array, grid: number, exit: number): string {
  const at = drops.indexOf(Math.max(...drops));
  const third = (place: number, names: readonly string[]): string => names[Math.floor((3 * place) / grid)]!;
  const where = `${third(Math.floor(at / grid), ["top", "middle", "bottom"])} ${third(at % grid, ["left", "centre", "right"])}`;
  return `exit ${exit + 1}: most of the answer comes from the ${where}`;
}
