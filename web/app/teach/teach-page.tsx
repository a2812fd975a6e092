import { shapesDataset } from "earlyexit/web";
import { useMemo, useRef, useState } from "preact/hooks";
import { Closed, WorkerClient } from "../client.ts";
import { MessageList, useMessages } from "../messages.tsx";
import type { ModelSource } from "../protocol.ts";
import { ClassCard } from "./class-card.tsx";
import { chosenFiles, droppedFiles, type FoundFile, isPicture } from "./folders.ts";
import { TaughtModel } from "./taught-model.tsx";
import { TeachingProgress } from "./teaching-progress.tsx";
import { type Base, useBases } from "./use-bases.ts";
import { MOST_PICTURES, newPicture, type OwnPicture, useClasses } from "./use-classes.ts";
import { useTeaching } from "./use-teaching.ts";

interface TeachPageProps {
  readonly onTry: (source: ModelSource) => void;
}

/** Each class in each of five folds, see `teach`. */
const LEAST = 5;

/** Classes of one's own, by pictures: what comes of it can be tried, downloaded and used elsewhere. */
export function TeachPage({ onTry }: TeachPageProps) {
  const messages = useMessages();
  const { tell } = messages;
  const bases = useBases(tell);
  const [baseId, setBaseId] = useState<string | null>(null);
  const base = bases?.find(({ id }) => id === baseId) ?? bases?.[0] ?? null;
  const own = useClasses();
  const teaching = useTeaching(tell);
  const { state, taught } = teaching;
  const read = useReader(base, tell);
  const isLocked = state !== null;
  const total = own.classes.reduce((sum, { pictures }) => sum + pictures.length, 0);
  const lacking = lackOf(own.classes);
  const addGroups = async (files: readonly FoundFile[]): Promise<void> => {
    messages.clear();
    own.addAll(await read(files));
  };
  const start = (): void => {
    messages.clear();
    teaching.start({
      base: base!.address,
      classes: own.classes.map(({ name }) => name),
      pictures: own.classes.map(({ pictures }) => pictures.map(({ pixels }) => pixels)),
    });
  };
  return (
    <section aria-labelledby="teach-title">
      <h2 id="teach-title">Teach it your own classes</h2>
      <p class="lead">
        Give each class twenty pictures or more: files, a folder, or the camera. The page learns in about a minute, on
        this device; no picture is sent anywhere.
      </p>
      <MessageList {...messages} />
      <div class="choice">
        <label>
          Begin with what this model knows
          <select
            value={base?.id ?? ""}
            disabled={isLocked || total > 0}
            onChange={(event) => setBaseId(event.currentTarget.value)}
          >
            {(bases ?? []).map(({ id, title }) => (
              <option key={id} value={id}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <FolderPicker isLocked={isLocked || !base} onFiles={addGroups} tell={tell} />
        <button
          type="button"
          disabled={isLocked || !base}
          onClick={() => own.addAll(drawnClasses())}
          title="20 circles and 20 stars, freshly drawn"
        >
          Draw an example
        </button>
      </div>
      {base && (
        <div class="class-cards">
          {own.classes.map((one) => (
            <ClassCard
              key={one.id}
              own={one}
              shape={base.shape}
              isLocked={isLocked}
              tell={tell}
              onFiles={async (files) => {
                messages.clear();
                own.addPictures(one.id, [...(await read(files)).values()].flat());
              }}
              onPictures={(pictures) => own.addPictures(one.id, pictures)}
              onRename={(name) => own.rename(one.id, name)}
              onRemove={own.classes.length > 2 ? () => own.remove(one.id) : null}
              onRemovePicture={own.removePicture}
            />
          ))}
        </div>
      )}
      <p class="actions">
        <button type="button" disabled={isLocked} onClick={() => own.add()}>
          Add a class
        </button>
        {state ? (
          <button key="stop" type="button" class="main" onClick={teaching.stop}>
            Stop
          </button>
        ) : (
          <button key="start" type="button" class="main" disabled={lacking !== null || !base} onClick={start}>
            Teach it
          </button>
        )}
        {lacking !== null && <span class="note">{lacking}</span>}
      </p>
      {state && <TeachingProgress state={state} />}
      {base && taught && (
        <TaughtModel
          key={taught.seconds}
          taught={taught}
          base={base}
          onTry={onTry}
          tell={tell}
          onRemove={(suspect) => {
            const picture = taught.choice.pictures[suspect.class]![suspect.picture]!;
            const found = own.classes.flatMap(({ pictures }) => pictures).find(({ pixels }) => pixels === picture);
            if (found) own.removePicture(found.id);
          }}
        />
      )}
    </section>
  );
}

/** What is missing before anything can be learned; null: nothing */
function lackOf(classes: ReturnType<typeof useClasses>["classes"]): string | null {
  const few = classes.find(({ pictures }) => pictures.length < LEAST);
  if (few) return `${few.name} needs at least ${LEAST} pictures; twenty are better.`;
  const names = classes.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return twice === undefined ? null : `Two classes are called ${twice}; rename one of them.`;
}

interface FolderPickerProps {
  readonly isLocked: boolean;
  readonly onFiles: (files: readonly FoundFile[]) => void;
  readonly tell: (problem: unknown) => void;
}

/** A folder with one folder per class, chosen or dropped. */
function FolderPicker({ isLocked, onFiles, tell }: FolderPickerProps) {
  return (
    <label
      class="button"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        if (event.dataTransfer && !isLocked) droppedFiles(event.dataTransfer).then(onFiles, tell);
      }}
    >
      Choose a folder with one folder per class
      <input
        type="file"
        multiple
        disabled={isLocked}
        aria-label="Choose a folder with one folder per class"
        ref={(input) => input?.setAttribute("webkitdirectory", "")}
        onChange={({ currentTarget }) => {
          onFiles(chosenFiles(currentTarget.files ?? []));
          currentTarget.value = "";
        }}
      />
    </label>
  );
}

/** @returns what reads files as the base sees them, by their folders; what cannot be read is told */
function useReader(base: Base | null, tell: (problem: unknown) => void) {
  const client = useRef<WorkerClient | null>(null);
  return useMemo(
    () =>
      async (files: readonly FoundFile[]): Promise<Map<string, OwnPicture[]>> => {
        client.current ??= new WorkerClient("trains or reads");
        const groups = new Map<string, OwnPicture[]>();
        for (const { file, folder } of files) {
          const group = groups.get(folder) ?? [];
          if (!isPicture(file) || group.length >= MOST_PICTURES) continue;
          try {
            group.push(newPicture(await client.current.read(file, base!.shape)));
            groups.set(folder, group);
          } catch (problem) {
            if (problem instanceof Closed) break;
            tell(`${file.name}: ${problem instanceof Error ? problem.message : String(problem)}`);
          }
        }
        return groups;
      },
    [base, tell],
  );
}

const DRAWN = { names: ["circle", "star"], each: 20 };

/** Two kinds of drawings, for who has no pictures at hand. */
function drawnClasses(): Map<string, OwnPicture[]> {
  const { classes, test } = shapesDataset({ seed: Date.now() % 1e6, trainCount: 0, testCount: 12 * DRAWN.each });
  const of = (name: string): OwnPicture[] =>
    [...test.labels.keys()]
      .filter((i) => classes[test.labels[i]!] === name)
      .slice(0, DRAWN.each)
      .map((i) => newPicture(test.pixels.read(i, i + 1).slice()));
  return new Map(DRAWN.names.map((name) => [name, of(name)]));
}
