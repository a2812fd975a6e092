import { VERSION } from "earlyexit/web";
import { useEffect, useState } from "preact/hooks";
import type { WorkerClient } from "./client.ts";
import type { ModelSource } from "./protocol.ts";
import { TeachPage } from "./teach/teach-page.tsx";
import { TrainPage } from "./train/train-page.tsx";
import { TryPage } from "./try/try-page.tsx";
import { WatchPage } from "./watch/watch-page.tsx";

const PLACES = { try: "Try it", teach: "Teach it", watch: "Watch it learn", train: "Train in the browser" } as const;
type Place = keyof typeof PLACES;

/**
 * Four places on one page; the address says which one is shown. A place that was left keeps what it holds.
 *
 * @param begun see `TryPage`
 */
export function App({ begun }: { readonly begun: WorkerClient | null }) {
  const place = usePlace();
  const [visited, setVisited] = useState<ReadonlySet<Place>>(new Set());
  const [trained, setTrained] = useState<ModelSource | null>(null);
  useEffect(() => {
    setVisited((before) => (before.has(place) ? before : new Set([...before, place])));
    document.title = `${PLACES[place]} - earlyexit`;
  }, [place]);
  const tryTrained = (source: ModelSource): void => {
    setTrained(source);
    location.hash = "try";
  };
  const isOpen = (one: Place): boolean => one === place || visited.has(one);
  return (
    <>
      <header class="top">
        <h1>earlyexit</h1>
        <nav aria-label="Places">
          {Object.entries(PLACES).map(([id, name]) => (
            <a key={id} href={`#${id}`} aria-current={id === place ? "page" : undefined}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      <main>
        <div hidden={place !== "try"}>{isOpen("try") && <TryPage trained={trained} begun={begun} />}</div>
        <div hidden={place !== "teach"}>{isOpen("teach") && <TeachPage onTry={tryTrained} />}</div>
        <div hidden={place !== "watch"}>{isOpen("watch") && <WatchPage />}</div>
        <div hidden={place !== "train"}>{isOpen("train") && <TrainPage onTry={tryTrained} />}</div>
      </main>
      <footer>earlyexit {VERSION}. Everything is computed in this browser: pictures never leave this device.</footer>
    </>
  );
}

function usePlace(): Place {
  const read = (): Place => {
    const name = location.hash.slice(1);
    return Object.hasOwn(PLACES, name) ? (name as Place) : "try";
  };
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const follow = (): void => setPlace(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return place;
}
