import type { ImageShape } from "earlyexit/web";
import { useEffect, useRef, useState } from "preact/hooks";
import { frameOf } from "./use-camera.ts";
import { newPicture, type OwnPicture } from "./use-classes.ts";
import { Video } from "./video.tsx";

interface CaptureProps {
  readonly stream: MediaStream;
  readonly shape: ImageShape;
  readonly name: string;
  readonly onPicture: (picture: OwnPicture) => void;
  readonly onClose: () => void;
}

const SECONDS = 3;
const PICTURES = 20;
const EVERY_MS = 200;

/** Counts down, then takes pictures while the thing is turned about. */
export function Capture({ stream, shape, name, onPicture, onClose }: CaptureProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [left, setLeft] = useState<{ seconds: number } | { pictures: number } | null>(null);
  const isWanted = useRef(true);
  useEffect(
    () => () => {
      isWanted.current = false;
    },
    [],
  );
  const take = async (): Promise<void> => {
    for (let seconds = SECONDS; seconds > 0 && isWanted.current; seconds--) {
      setLeft({ seconds });
      await pause(1000);
    }
    for (let pictures = PICTURES; pictures > 0 && isWanted.current; pictures--) {
      setLeft({ pictures });
      const pixels = await frameOf(video.current!, shape);
      if (pixels && isWanted.current) onPicture(newPicture(pixels));
      await pause(EVERY_MS);
    }
    if (isWanted.current) setLeft(null);
  };
  return (
    <div class="capture">
      <Video stream={stream} video={video} />
      {left && "seconds" in left && <strong class="countdown">{left.seconds}</strong>}
      <p role="status">
        {!left
          ? `Show the camera: ${name}. Turn it a little while pictures are taken.`
          : "seconds" in left
            ? `Ready in ${left.seconds}...`
            : `${left.pictures} to go`}
      </p>
      <p class="actions">
        <button type="button" class="main" disabled={left !== null} onClick={take}>
          Take {PICTURES} pictures
        </button>
        <button type="button" onClick={onClose}>
          Close the camera
        </button>
      </p>
    </div>
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
