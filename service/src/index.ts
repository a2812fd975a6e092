/** A model as an HTTP service: what `earlyexit serve` loads. */
export { type PriceOptions, priceOf } from "./price.ts";
export { type RunningService, type ServeOptions, serve } from "./serve.ts";
export { serveCommand } from "./serve-command.ts";
