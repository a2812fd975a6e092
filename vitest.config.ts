import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "service/test/**/*.test.ts"],
    // decoded pictures of tests are not kept among the user's
    env: { XDG_CACHE_HOME: join(tmpdir(), "earlyexit-tests-cache") },
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // ONNX Runtime uses all cores itself
    maxWorkers: 2,
  },
});
