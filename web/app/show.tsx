import { render } from "preact";
import { App } from "./app.tsx";
import type { WorkerClient } from "./client.ts";

/** @param begun see `App` */
export function show(page: HTMLElement, begun: WorkerClient | null): void {
  page.replaceChildren(); // what was shown while this was loading
  render(<App begun={begun} />, page);
}
