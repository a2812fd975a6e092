import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";

/** Panels side by side. Data that cannot be drawn (a damaged file, one of another version) leave the rest of the page alone. */
export function Panels({ children }: { readonly children: ComponentChildren }) {
  const [error] = useErrorBoundary();
  if (error)
    return (
      <p class="ee-empty" role="alert">
        These panels cannot be drawn: {String(error.message ?? error)}. The file is damaged or of another version of
        earlyexit.
      </p>
    );
  return <div class="ee-panels">{children}</div>;
}
