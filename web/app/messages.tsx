/** What went wrong, told to a person; the page goes on working. */
import { useCallback, useState } from "preact/hooks";
import { Trouble } from "./client.ts";

export interface Messages {
  readonly texts: readonly string[];
  /** An error of any kind, or a text. */
  tell(problem: unknown): void;
  clear(): void;
}

/** More than this would bury the page. */
const MOST = 4;

export function useMessages(): Messages {
  const [texts, setTexts] = useState<readonly string[]>([]);
  const tell = useCallback((problem: unknown) => {
    const text = textOf(problem);
    setTexts((before) => [...before.filter((one) => one !== text), text].slice(-MOST));
  }, []);
  const clear = useCallback(() => setTexts([]), []);
  return { texts, tell, clear };
}

function textOf(problem: unknown): string {
  if (typeof problem === "string") return problem;
  if (problem instanceof Trouble) return problem.message;
  return `Something went wrong that should not have: ${problem instanceof Error ? problem.message : String(problem)}`;
}

export function MessageList({ texts, clear }: Messages) {
  return (
    <div role="alert">
      {texts.length > 0 && (
        <div class="messages">
          <ul>
            {texts.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
          <button type="button" onClick={clear}>
            Close
          </button>
        </div>
      )}
    </div>
  );
}
