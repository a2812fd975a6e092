/** Long pages in parts that fold away, with a table of contents. */
import type { ComponentChildren } from "preact";

interface PartProps {
  readonly id: string;
  readonly title: string;
  readonly children: ComponentChildren;
}

export function Part({ id, title, children }: PartProps) {
  return (
    <details class="part" id={id} open>
      <summary>
        <h3>{title}</h3>
      </summary>
      {children}
    </details>
  );
}

/** Leads to each part, and unfolds it. */
export function Contents({ parts }: { readonly parts: readonly Omit<PartProps, "children">[] }) {
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
