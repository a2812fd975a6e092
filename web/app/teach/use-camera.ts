import { type ImageShape, readImage } from "earlyexit/web";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Camera {
  readonly stream: MediaStream | null;
  open(): Promise<void>;
  close(): void;
}

/** The camera, open from being asked for until it is closed, or until its part of the page goes. */
export function useCamera(onTrouble: (problem: unknown) => void): Camera {
  const [stream, setStream] = useState<MediaStream | null>(null);
  const held = useRef<MediaStream | null>(null);
  const close = useCallback(() => {
    for (const track of held.current?.getTracks() ?? []) track.stop();
    held.current = null;
    setStream(null);
  }, []);
  const open = useCallback(async () => {
    try {
      held.current = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 320 }, audio: false });
      setStream(held.current);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      onTrouble(`The camera cannot be used here (${reason}); allow it in the browser, or choose pictures.`);
    }
  }, [onTrouble]);
  useEffect(() => close, [close]);
  return { stream, open, close };
}

/** Enough for what networks of small pictures see of it. */
const SIDE = 128;

/** The middle of what the camera shows now, as a network of this shape sees it; null before its first picture. */
export async function frameOf(video: HTMLVideoElement, shape: ImageShape): Promise<Uint8Array | null> {
  const { videoWidth, videoHeight } = video;
  const side = Math.min(videoWidth, videoHeight);
  if (side === 0) return null;
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  canvas
    .getContext("2d")!
    .drawImage(video, (videoWidth - side) / 2, (videoHeight - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return readImage(canvas, shape);
}
