import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** What the camera sees, cut to the square that counts. */
export function Video({ stream, video }: { stream: MediaStream; video: RefObject<HTMLVideoElement | null> }) {
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [stream, video]);
  return <video ref={video} class="camera" autoplay muted playsInline aria-label="what the camera sees" />;
}
