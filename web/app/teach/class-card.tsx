import type { ImageShape } from "earlyexit/web";
import { useState } from "preact/hooks";
import { Pixels } from "../pixels.tsx";
import { Capture } from "./capture.tsx";
import { chosenFiles, droppedFiles, type FoundFile } from "./folders.ts";
import { useCamera } from "./use-camera.ts";
import type { OwnClass, OwnPicture } from "./use-classes.ts";

interface ClassCardProps {
  readonly own: OwnClass;
  readonly shape: ImageShape;
  readonly isLocked: boolean;
  readonly tell: (problem: unknown) => void;
  readonly onFiles: (files: readonly FoundFile[]) => void;
  readonly onPictures: (pictures: readonly OwnPicture[]) => void;
  readonly onRename: (name: string) => void;
  /** null where two classes must stay */
  readonly onRemove: (() => void) | null;
  readonly onRemovePicture: (id: number) => void;
}

/** One class: its name, and its pictures, from files, by drop or from the camera. */
export function ClassCard(props: ClassCardProps) {
  const { own, shape, isLocked, tell, onFiles, onPictures, onRename, onRemove, onRemovePicture } = props;
  const camera = useCamera(tell);
  const [isOver, setIsOver] = useState(false);
  return (
    <section
      class={isOver ? "class-card over" : "class-card"}
      aria-label={own.name}
      onDragOver={(event) => {
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={() => setIsOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        event.stopPropagation();
        setIsOver(false);
        if (event.dataTransfer && !isLocked) droppedFiles(event.dataTransfer).then(onFiles, tell);
      }}
    >
      <div class="class-head">
        <input
          aria-label="Name of the class"
          value={own.name}
          maxLength={60}
          disabled={isLocked}
          onChange={(event) => onRename(event.currentTarget.value.trim() || own.name)}
        />
        <small>{own.pictures.length} pictures</small>
        {onRemove && (
          <button type="button" disabled={isLocked} onClick={onRemove} aria-label={`Remove ${own.name}`}>
            Remove
          </button>
        )}
      </div>
      <div class="class-ways">
        <label class="button">
          Choose pictures
          <input
            type="file"
            accept="image/*"
            multiple
            disabled={isLocked}
            aria-label={`Choose pictures of ${own.name}`}
            onChange={({ currentTarget }) => {
              onFiles(chosenFiles(currentTarget.files ?? []).map(({ file }) => ({ file, folder: "" })));
              currentTarget.value = "";
            }}
          />
        </label>
        {camera.stream === null && (
          <button type="button" disabled={isLocked} onClick={camera.open} aria-label={`Use the camera for ${own.name}`}>
            Use the camera
          </button>
        )}
        <span class="note">or drop them here</span>
      </div>
      {camera.stream && (
        <Capture
          stream={camera.stream}
          shape={shape}
          name={own.name}
          onPicture={(picture) => onPictures([picture])}
          onClose={camera.close}
        />
      )}
      <ul class="thumbnails">
        {own.pictures.map(({ id, pixels }, i) => (
          <li key={id}>
            <button
              type="button"
              disabled={isLocked}
              title="Take it away"
              aria-label={`Take away picture ${i + 1} of ${own.name}`}
              onClick={() => onRemovePicture(id)}
            >
              <Pixels pixels={pixels} shape={shape} label="" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
