/**
 * Computes beside the page, so that the page answers meanwhile. ONNX Runtime takes longest to begin: where a model will be loaded, it
 * does so at once, while the rest of the code and the model are on their way.
 */
// Past the public API, which would bring all of the package along.
import { beginRuntime } from "../../src/runtime/begin-runtime.ts";
import { createWebRuntime } from "../../src/runtime/web.ts";
import type { Numbered } from "./protocol.ts";
import { THREADS } from "./threads.ts";

/** As `client.ts` names workers that will load a model. */
const LOADS = "loads";

if (self.name === LOADS)
  createWebRuntime({ threads: THREADS })
    .then(beginRuntime)
    .catch(() => undefined); // whoever loads a model meets it again, and tells
const answering = import("./answering.ts");

self.onmessage = async ({ data }: MessageEvent<Numbered>) => {
  (await answering).take(data);
};
