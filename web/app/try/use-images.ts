import { useCallback, useEffect, useState } from "preact/hooks";
import { Closed } from "../client.ts";
import type { Messages } from "../messages.tsx";
import type { LoadedModel } from "../use-model.ts";
import { drawnImages, imageFromFile, type TriedImage } from "./images.ts";

const DRAWN = 24;
/** More would make the dial slow. */
const MOST_IMAGES = 300;

export interface TriedImages {
  readonly images: readonly TriedImage[];
  readonly selected: TriedImage | null;
  select(id: number): void;
  addFiles(files: readonly File[]): void;
  /** null where the model's images cannot be drawn */
  readonly draw: (() => void) | null;
  clear(): void;
}

/**
 * The images that are tried on a model: drawn ones where it knows them, and the user's own.
 *
 * @param kept the user's own files, which outlast a change of the model: another one may read another size
 */
export function useImages(
  { client, facts }: LoadedModel,
  kept: File[],
  { tell, clear: clearMessages }: Pick<Messages, "tell" | "clear">,
): TriedImages {
  const isDrawn = facts.dataset === "shapes";
  const [images, setImages] = useState<readonly TriedImage[]>([]);
  const [selectedId, select] = useState<number | null>(null);
  const add = useCallback((more: readonly TriedImage[], isSelected: boolean) => {
    setImages((before) => [...before, ...more].slice(-MOST_IMAGES));
    if (isSelected && more[0]) select(more[0].id);
  }, []);
  useEffect(() => {
    if (isDrawn) add(drawnImages(DRAWN), true); // not before it is seen that the model is ready
  }, [isDrawn, add]);
  const read = useCallback(
    async (files: readonly File[]) => {
      let isFirst = true;
      for (const file of files) {
        try {
          add([await imageFromFile(client, file, facts.imageShape)], isFirst);
          isFirst = false;
        } catch (problem) {
          if (problem instanceof Closed) return;
          kept.splice(kept.indexOf(file), 1);
          tell(problem);
        }
      }
    },
    [client, facts, kept, add, tell],
  );
  useEffect(() => {
    read([...kept]);
  }, [read, kept]);
  const addFiles = useCallback(
    (files: readonly File[]) => {
      clearMessages(); // they were of other files
      if (files.length > MOST_IMAGES) tell(`At most ${MOST_IMAGES} pictures are shown; the first ones are taken.`);
      const taken = files.slice(0, MOST_IMAGES);
      kept.push(...taken);
      read(taken);
    },
    [read, kept, tell, clearMessages],
  );
  const clear = (): void => {
    kept.length = 0;
    setImages([]);
  };
  const draw = isDrawn ? () => add(drawnImages(DRAWN), true) : null;
  const selected = images.find(({ id }) => id === selectedId) ?? null;
  return { images, selected, select, addFiles, draw, clear };
}
