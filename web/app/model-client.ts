/** The page's side of the worker that holds a model. */
import type { ModelFacts, ModelSource, Numbered, Replies, Reply, Request } from "./model-protocol.ts";

/** Something went wrong, and its message is made for people. */
export class Trouble extends Error {
  override readonly name = "Trouble";
}

/** The model was given up for another one: nobody waits for its answers any more. */
export class Closed extends Error {
  override readonly name = "Closed";
}

/** One worker with one model. Requests are answered in their order. */
export class ModelClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  #next = 0;

  constructor() {
    this.#worker = new Worker(new URL("./model-worker.ts", import.meta.url), { type: "module", name: "model" });
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#settle(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || "no reason given";
      this.#fail(new Trouble(`The part of the page that runs the model stopped (${reason}); reload the page.`));
    };
  }

  load(source: ModelSource): Promise<ModelFacts> {
    return this.#ask({ kind: "load", source });
  }

  /** What the network sees of a picture. */
  read(image: Blob): Promise<Uint8Array> {
    return this.#ask({ kind: "read", image });
  }

  classify(images: readonly Uint8Array[], lambda: number): Promise<Replies["classify"]> {
    return this.#ask({ kind: "classify", images, lambda });
  }

  close(): void {
    this.#worker.terminate();
    this.#fail(new Closed());
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #ask<Kind extends Request["kind"]>(request: Request & { kind: Kind }): Promise<Replies[Kind]> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve as (result: never) => void, reject });
      this.#worker.postMessage({ ...request, id } satisfies Numbered);
    });
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("result" in reply) waiting?.resolve(reply.result as never);
    else waiting?.reject(reply.mistake ? new Trouble(reply.error) : new Error(reply.error));
  }
}
