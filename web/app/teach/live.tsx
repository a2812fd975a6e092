import { useEffect, useRef, useState } from "preact/hooks";
import { percent } from "../../panels/text.ts";
import { Closed } from "../client.ts";
import type { Answer } from "../try/use-answers.ts";
import { Way } from "../try/way.tsx";
import type { LoadedModel } from "../use-model.ts";
import { frameOf, useCamera } from "./use-camera.ts";
import { Video } from "./video.tsx";

interface LiveProps {
  readonly model: LoadedModel;
  readonly tell: (problem: unknown) => void;
}

interface Seen {
  readonly pixels: Uint8Array;
  readonly answer: Answer;
  readonly framesPerSecond: number;
  /** [E] frames that left at each exit since the camera was opened */
  readonly exits: readonly number[];
}

/** More often would only warm the device. */
const LEAST_MS = 60;

/** The camera's pictures one after the other, each with the exit that it took. */
export function Live({ model, tell }: LiveProps) {
  const camera = useCamera(tell);
  const video = useRef<HTMLVideoElement>(null);
  const seen = useFrames(model, camera.stream, video, tell);
  const { facts } = model;
  return (
    <>
      <h3 class="part">Live</h3>
      {camera.stream === null ? (
        <button type="button" onClick={camera.open}>
          Try it on the camera
        </button>
      ) : (
        <div class="live">
          <Video stream={camera.stream} video={video} />
          <div>
            <p class="answer">
              {seen ? (
                <>
                  <strong>{seen.answer.label}</strong> ({percent(seen.answer.confidence)}), exit {seen.answer.exit} of{" "}
                  {facts.costs.exitMacs.length}
                </>
              ) : (
                "waiting for the camera..."
              )}
            </p>
            <Way
              facts={facts}
              image={seen && { id: 0, name: "the camera's picture", pixels: seen.pixels, file: null, truth: null }}
              answer={seen?.answer ?? null}
              shown={seen?.answer.exit ?? 0}
            />
            {seen && (
              <p class="note">
                {seen.framesPerSecond.toFixed(0)} frames per second; by exit so far: {seen.exits.join(", ")}
              </p>
            )}
            <button type="button" onClick={camera.close}>
              Close the camera
            </button>
          </div>
        </div>
      )}
    </>
  );
}

function useFrames(
  { client, facts }: LoadedModel,
  stream: MediaStream | null,
  video: { readonly current: HTMLVideoElement | null },
  tell: (problem: unknown) => void,
): Seen | null {
  const [seen, setSeen] = useState<Seen | null>(null);
  useEffect(() => {
    setSeen(null);
    if (!stream) return;
    let isWanted = true;
    const exits = facts.costs.exitMacs.map(() => 0);
    let last = performance.now();
    const look = async (): Promise<void> => {
      while (isWanted) {
        const begun = performance.now();
        const pixels = video.current && (await frameOf(video.current, facts.imageShape));
        const [answer] = pixels ? await client.classify([pixels], facts.lambda) : [];
        if (pixels && answer && isWanted) {
          exits[answer.exit - 1]!++;
          const now = performance.now();
          const framesPerSecond = 1000 / (now - last);
          last = now;
          setSeen({
            pixels,
            answer: { ...answer, lambda: facts.lambda, alone: true },
            framesPerSecond,
            exits: [...exits],
          });
        }
        const rest = Math.max(0, LEAST_MS - (performance.now() - begun));
        await new Promise((resolve) => setTimeout(resolve, rest));
      }
    };
    look().catch((problem: unknown) => !(problem instanceof Closed) && tell(problem));
    return () => {
      isWanted = false;
    };
  }, [client, facts, stream, video, tell]);
  return seen;
}
