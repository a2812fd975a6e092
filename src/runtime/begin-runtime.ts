import { add } from "../graph/elementwise.ts";
import { input } from "../graph/tensor.ts";
import { Program } from "./program.ts";
import type { Runtime } from "./runtime.ts";

/** Its first session has ONNX Runtime fetch and compile its binary: one that does next to nothing, while a model is on its way. */
export async function beginRuntime(runtime: Runtime): Promise<Runtime> {
  const x = input("x", [1]);
  const program = await Program.compile(runtime, { outputs: { y: add(x, x) } });
  await program.close();
  return runtime;
}
