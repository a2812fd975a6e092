import { useEffect, useState } from "preact/hooks";

interface PickerProps {
  readonly onFiles: (files: readonly File[]) => void;
  /** null where no images can be drawn */
  readonly onDraw: (() => void) | null;
  /** null where there is nothing to take away */
  readonly onClear: (() => void) | null;
}

/** Drop, paste or choose: anywhere on the page. */
export function Picker({ onFiles, onDraw, onClear }: PickerProps) {
  const isOver = useDropAndPaste(onFiles);
  return (
    <div class={isOver ? "picker over" : "picker"}>
      <label class="button main">
        Choose pictures
        <input
          type="file"
          accept="image/*"
          multiple
          onChange={({ currentTarget }) => {
            onFiles([...(currentTarget.files ?? [])]);
            currentTarget.value = "";
          }}
        />
      </label>
      <span>or drop them here, or paste one.</span>
      {onDraw && (
        <button type="button" onClick={onDraw}>
          Draw more
        </button>
      )}
      {onClear && (
        <button type="button" onClick={onClear}>
          Clear
        </button>
      )}
    </div>
  );
}

/** @returns whether files are held over the page now */
function useDropAndPaste(onFiles: (files: readonly File[]) => void): boolean {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const take = (event: Event, transfer: DataTransfer | null): void => {
      const files = [...(transfer?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      onFiles(files);
    };
    const controller = new AbortController();
    const { signal } = controller;
    addEventListener("paste", (event) => take(event, event.clipboardData), { signal });
    addEventListener(
      "dragover",
      (event) => {
        event.preventDefault();
        setIsOver(true);
      },
      { signal },
    );
    addEventListener("dragleave", (event) => event.relatedTarget === null && setIsOver(false), { signal });
    addEventListener(
      "drop",
      (event) => {
        event.preventDefault(); // or the browser leaves the page for the picture
        setIsOver(false);
        take(event, event.dataTransfer);
      },
      { signal },
    );
    return () => controller.abort();
  }, [onFiles]);
  return isOver;
}
