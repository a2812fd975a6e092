import { expect, test } from "vitest";
import { unbundledBinary } from "../../src/runtime/web.ts";

const AT = "http://localhost:5173/node_modules";

test("where Vite's dev server moved the script, the binary is taken from its package", () => {
  expect(unbundledBinary("wasm", `${AT}/.vite/deps/earlyexit_web.js?v=1a2b`)).toBe(
    `${AT}/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm`,
  );
  expect(unbundledBinary("webgpu", `${AT}/.vite/deps_ssr/chunk-A.js`)).toBe(
    `${AT}/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.wasm`,
  );
});

test.each(["http://x/assets/index-1.js", `${AT}/earlyexit/dist/runtime/web.js`, "file:///a/node_modules/b.js"])(
  "elsewhere the bundler says where it is: %s",
  (script) => {
    expect(unbundledBinary("wasm", script)).toBeNull();
  },
);
