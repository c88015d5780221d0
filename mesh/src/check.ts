import type { ZodMiniType } from "zod/mini";
import en from "zod/v4/locales/en.js";

/**
 * The words are passed with each call, because the global ones of the schema library belong to other users in this
 * process.
 */
const { localeError } = en();

/** The result of a check: the checked value, or the problem and its place in a few words. */
export type Checked<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly problem: string; readonly cause: unknown };

/** Checks a value from outside. */
export function check<T>(schema: ZodMiniType<T>, value: unknown): Checked<T> {
  const { data, error } = schema.safeParse(value, { error: localeError });
  if (error === undefined) return { value: data };
  const [issue] = error.issues;
  // A problem with the whole value has no path.
  return { problem: [issue?.path.join("."), issue?.message].filter(Boolean).join(": "), cause: error };
}
