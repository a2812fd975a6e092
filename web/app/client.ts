/** The page's side of its worker. */

import type { ImageShape } from "earlyexit/web";
import type { ModelFacts, ModelSource, News, Numbered, Replies, Reply, Request } from "./protocol.ts";
import type { TeachingChoice, TeachingNews, TeachingResult } from "./teach/teaching.ts";
import type { TrainingChoice, TrainingNews, TrainingResult } from "./train/training.ts";

/** Something went wrong, and its message is made for people. */
export class Trouble extends Error {
  override readonly name = "Trouble";
}

/** The worker was ended: nobody waits for its answers any more. */
export class Closed extends Error {
  override readonly name = "Closed";
}

interface Waiting {
  resolve(result: never): void;
  reject(error: Error): void;
  tell?(news: News): void;
}

/** One worker, with one model or one training. Requests are answered in their order. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  /** @param use "loads": ONNX Runtime is begun at once, for the model that will be loaded */
  constructor(use: "loads" | "trains or reads") {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: use });
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

  /** A picture as a network of this shape sees it; no model is needed. */
  read(image: Blob, shape: ImageShape): Promise<Uint8Array> {
    return this.#ask({ kind: "read", image, shape });
  }

  classify(images: readonly Uint8Array[], lambda: number): Promise<Replies["classify"]> {
    return this.#ask({ kind: "classify", images, lambda });
  }

  /** @param precise share of the named classes that are to be right, above 0 and below 1 */
  sure(precise: number, lambda: number): Promise<Replies["sure"]> {
    return this.#ask({ kind: "sure", precise, lambda });
  }

  /** What every exit says of each image, computed to the end. */
  explore(images: readonly Uint8Array[], lambda: number): Promise<Replies["explore"]> {
    return this.#ask({ kind: "explore", images, lambda });
  }

  /** What `learn --continue --feedback` takes. @param labels indices of classes, one per image */
  feedback(images: readonly Uint8Array[], labels: readonly number[]): Promise<Uint8Array> {
    return this.#ask({ kind: "feedback", images, labels });
  }

  /** Where in the picture each exit's answer comes from. */
  occlude(image: Uint8Array, lambda: number): Promise<Replies["occlude"]> {
    return this.#ask({ kind: "occlude", image, lambda });
  }

  time(images: readonly Uint8Array[], lambda: number): Promise<Replies["time"]> {
    return this.#ask({ kind: "time", images, lambda });
  }

  /** @param tell is told how it goes */
  train(choice: TrainingChoice, tell: (news: TrainingNews) => void): Promise<TrainingResult> {
    return this.#ask({ kind: "train", choice }, (news) => tell(news as TrainingNews));
  }

  /** @param tell is told how it goes */
  teach(choice: TeachingChoice, tell: (news: TeachingNews) => void): Promise<TeachingResult> {
    return this.#ask({ kind: "teach", choice }, (news) => tell(news as TeachingNews));
  }

  /** Ends the worker, whatever it is doing. */
  close(): void {
    this.#worker.terminate();
    this.#fail(new Closed());
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #ask<Kind extends Request["kind"]>(
    request: Request & { kind: Kind },
    tell?: (news: News) => void,
  ): Promise<Replies[Kind]> {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve as (result: never) => void, reject, ...(tell ? { tell } : {}) });
      this.#worker.postMessage({ ...request, id } satisfies Numbered);
    });
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if ("news" in reply) {
      waiting?.tell?.(reply.news);
      return;
    }
    this.#waiting.delete(reply.id);
    if ("result" in reply) waiting?.resolve(reply.result as never);
    else waiting?.reject(reply.mistake ? new Trouble(reply.error) : new Error(reply.error));
  }
}
