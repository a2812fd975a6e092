import { useCallback, useState } from "preact/hooks";

/** A picture to learn from, as the network sees it: [C, H, W] bytes. */
export interface OwnPicture {
  readonly id: number;
  readonly pixels: Uint8Array;
}

export interface OwnClass {
  readonly id: number;
  readonly name: string;
  readonly pictures: readonly OwnPicture[];
}

/** More of one class are not taken: they would be waited for. */
export const MOST_PICTURES = 500;

let lastId = 0;

export const newPicture = (pixels: Uint8Array): OwnPicture => ({ id: ++lastId, pixels });

const newClass = (name: string): OwnClass => ({ id: ++lastId, name, pictures: [] });

export interface OwnClasses {
  readonly classes: readonly OwnClass[];
  add(name?: string): void;
  remove(id: number): void;
  rename(id: number, name: string): void;
  addPictures(id: number, pictures: readonly OwnPicture[]): void;
  removePicture(picture: number): void;
  /** By name, in place of classes that are empty. */
  addAll(groups: ReadonlyMap<string, readonly OwnPicture[]>): void;
}

/** The classes that the page is to be taught, with their pictures. */
export function useClasses(): OwnClasses {
  const [classes, setClasses] = useState<readonly OwnClass[]>(() => ["Class 1", "Class 2"].map(newClass));
  const change = useCallback((id: number, how: (one: OwnClass) => OwnClass) => {
    setClasses((before) => before.map((one) => (one.id === id ? how(one) : one)));
  }, []);
  return {
    classes,
    add: (name) => setClasses((before) => [...before, newClass(name ?? `Class ${before.length + 1}`)]),
    remove: (id) => setClasses((before) => before.filter((one) => one.id !== id)),
    rename: (id, name) => change(id, (one) => ({ ...one, name })),
    addPictures: (id, pictures) =>
      change(id, (one) => ({ ...one, pictures: [...one.pictures, ...pictures].slice(0, MOST_PICTURES) })),
    removePicture: (picture) =>
      setClasses((before) =>
        before.map((one) => ({ ...one, pictures: one.pictures.filter(({ id }) => id !== picture) })),
      ),
    addAll: (groups) =>
      setClasses((before) => {
        const kept = before.filter(({ name, pictures }) => pictures.length > 0 || groups.has(name));
        const known = new Set(kept.map(({ name }) => name));
        const all = [...kept, ...[...groups.keys()].filter((name) => !known.has(name)).map(newClass)];
        return all.map((one) => {
          const pictures = [...one.pictures, ...(groups.get(one.name) ?? [])];
          return { ...one, pictures: pictures.slice(0, MOST_PICTURES) };
        });
      }),
  };
}
