/** A model as an HTTP service: what `earlyexit serve` loads. */

export { modelsCommand } from "./models-command.ts";
export { type PriceOptions, priceOf } from "./price.ts";
export { type RunningService, type ServeOptions, serve } from "./serve.ts";
export { serveCommand } from "./serve-command.ts";
