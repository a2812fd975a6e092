import { AdaptiveClassifier, UserError } from "earlyexit";
import { createApp } from "./app.ts";

export interface ServeOptions {
  /** A model folder. */
  readonly model: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface RunningService {
  readonly url: string;
  /** Answers what was asked, then ends. */
  close(): Promise<void>;
}

/** Other computers cannot reach it. */
const ADDRESS = "127.0.0.1";

/** @throws {UserError} if there is no model with a policy, or the port is taken */
export async function serve({ model, port }: ServeOptions): Promise<RunningService> {
  const classifier = await AdaptiveClassifier.load(model);
  const app = createApp({ classifier });
  const close = async (): Promise<void> => {
    await app.close();
    await classifier.close();
  };
  try {
    return { url: await app.listen({ host: ADDRESS, port }), close };
  } catch (cause) {
    await close();
    const isTaken = cause instanceof Error && "code" in cause && cause.code === "EADDRINUSE";
    if (!isTaken) throw cause;
    throw new UserError(`port: a free one expected, found ${port} taken; give another --port, or 0 for any`, { cause });
  }
}
