import type { ZodMiniType } from "zod/mini";
import en from "zod/v4/locales/en.js";

/** The words are given along: those of a schema library that others use in this process are theirs. */
const { localeError } = en();

/** What a schema says of a value: the value itself, checked, or what is wrong with it and where, in a few words. */
export type Checked<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly problem: string; readonly cause: unknown };

/** Checks what comes from outside. */
export function check<T>(schema: ZodMiniType<T>, value: unknown): Checked<T> {
  const { data, error } = schema.safeParse(value, { error: localeError });
  if (error === undefined) return { value: data };
  const [issue] = error.issues;
  // What is wrong with the whole has no place to name.
  return { problem: [issue?.path.join("."), issue?.message].filter(Boolean).join(": "), cause: error };
}
