/** Long pages in parts that fold away, with a table of contents. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";

interface PartProps {
  readonly id: string;
  readonly title: string;
  readonly children: ComponentChildren;
  /** Open at first; default: where the screen is wide. On a phone a run would else be 11,000 pixels long. */
  readonly isOpen?: boolean;
}

export function Part({ id, title, children, isOpen }: PartProps) {
  const isWide = useMemo(() => matchMedia("(min-width: 50rem)").matches, []);
  return (
    <details class="part" id={id} open={isOpen ?? isWide}>
      <summary>
        <h3>{title}</h3>
      </summary>
      {children}
    </details>
  );
}

/** Leads to each part, and unfolds it. */
export function Contents({ parts }: { readonly parts: readonly Pick<PartProps, "id" | "title">[] }) {
  if (parts.length < 2) return null;
  const show = (id: string): void => {
    const part = document.getElementById(id) as HTMLDetailsElement;
    part.open = true;
    part.scrollIntoView();
    part.querySelector("summary")!.focus();
  };
  return (
    <nav class="contents" aria-label="Contents">
      {parts.map(({ id, title }) => (
        <button key={id} type="button" onClick={() => show(id)}>
          {title}
        </button>
      ))}
    </nav>
  );
}
