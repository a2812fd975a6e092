import type { z } from "zod";
import { RequestMistake } from "./request-mistake.ts";

/** @throws {RequestMistake} saying what is wrong first */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new RequestMistake(`${[where, ...path].join(".")}: ${message}`);
}
