import type { ModelSource } from "../model-protocol.ts";

export function TrainPage(_: { readonly onTry: (source: ModelSource) => void }) {
  return <p>soon</p>;
}
