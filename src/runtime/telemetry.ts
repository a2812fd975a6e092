/**
 * ONNX Runtime writes a device's id and usage into the home folder, and sends them, unless the environment of its process says no before
 * it is loaded. A thread has a copy of that environment, which native code does not see: there the main thread is asked to say it.
 */
import { Session } from "node:inspector";
import { isMainThread } from "node:worker_threads";

const NAME = "ORT_DISABLE_TELEMETRY";
/** Waited for the main thread, which may be busy, so often and so long. */
const [LOOKS, LOOK_MS] = [500, 2];

let isDone = false;

/** Says no for this process, unless the user has said something; to be called before the binding is loaded. */
export function silenceTelemetry(): void {
  if (isDone) return;
  isDone = true;
  process.env[NAME] ||= "1";
  if (isMainThread || isSaid()) return;
  const session = new Session();
  session.connectToMainThread();
  try {
    session.post("Runtime.evaluate", { expression: `process.env.${NAME} ||= "1"` });
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < LOOKS && !isSaid(); i++) Atomics.wait(nothing, 0, 0, LOOK_MS);
  } finally {
    session.disconnect();
  }
  if (!isSaid())
    process.emitWarning(
      `${NAME}=1 could not be set from a thread; set it for the process, or import earlyexit in its main thread`,
    );
}

/** In the environment that native code sees. */
function isSaid(): boolean {
  Object.assign(process.report, { excludeNetwork: true }); // its addresses would be looked up; Node 20 does not know it
  const report: unknown = process.report.getReport();
  return Boolean((report as { environmentVariables?: Record<string, string> }).environmentVariables?.[NAME]);
}
