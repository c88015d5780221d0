import { type InvalidInputCode, InvalidInputError } from "./errors.js";

/**
 * Reads a value from a caller without types, from a file or from a stranger.
 *
 * @param code - the code of the error
 * @param path - the place of the value, for the error; empty for the whole value
 * @throws {@link InvalidInputError} when the value does not fit
 */
export type Schema<T> = (value: unknown, code: InvalidInputCode, path: string) => T;

/** @throws {@link InvalidInputError} unless `holds` is true */
export function check(
  holds: boolean,
  code: InvalidInputCode,
  path: string,
  wanted: string,
  got = "",
): asserts holds {
  if (!holds) throw new InvalidInputError(code, path, `expected ${wanted}${got}`);
}

/** The value that was given instead, shortened, for the error's text. */
export function got(value: unknown): string {
  const shown = typeof value === "object" ? "an object" : String(value).slice(0, 80);
  return `, got ${typeof value === "string" ? JSON.stringify(shown) : shown}`;
}

/** A value that passes a test. Only the error of an option shows the value: a value in a pool may be a secret. */
export function be<T>(wanted: string, test: (value: unknown) => value is T): Schema<T> {
  return (value, code, path) => {
    check(test(value), code, path, wanted, code === "INVALID_OPTION" ? got(value) : "");
    return value;
  };
}

/** A value that may be left out, with its default. */
export function or<T>(schema: Schema<T>, fallback: T): Schema<T> {
  return (value, code, path) => (value === undefined ? fallback : schema(value, code, path));
}

/** A value that may be left out, without a default. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return or<T | undefined>(schema, undefined);
}

/** An array. Items after the first `limit` are ignored. */
export function listOf<T>(schema: Schema<T>, limit?: number): Schema<T[]> {
  return (value, code, path) => {
    check(Array.isArray(value), code, path, "a list", got(value));
    return value.slice(0, limit).map((item: unknown, i) => schema(item, code, `${path}[${i}]`));
  };
}

/** The schema of each field of an object. */
export type Fields<T> = { readonly [K in keyof T]-?: Schema<T[K] | undefined> };

/**
 * An object with these fields. Other fields are left out of the result.
 * @param root - the name of the whole object, for the error
 */
export function record<T extends object>(fields: Fields<T>, root = ""): Schema<T> {
  return (value, code, path) => {
    check(isRecord(value), code, path || root, "an object");
    const read: Record<string, unknown> = {};
    for (const [name, schema] of Object.entries<Schema<unknown>>(fields)) {
      const field = schema(value[name], code, path === "" ? name : `${path}.${name}`);
      if (field !== undefined) read[name] = field;
    }
    // The cast is safe: the schema of each field has checked it.
    return read as T;
  };
}

/**
 * Reads an object of options. An unknown name is an error, because it is probably a misspelled option.
 * @throws {@link InvalidInputError} `INVALID_OPTION`
 */
export function readOptions<T extends object>(options: unknown, fields: Fields<T>): T {
  const read = record(fields, "options")(options, "INVALID_OPTION", "");
  for (const [name, value] of Object.entries(Object(options))) {
    if (value === undefined || Object.hasOwn(fields, name)) continue;
    // A longer name is no misspelled option, and the comparison of names takes time.
    const unknown = name.slice(0, 64);
    const nearest = nearestTo(unknown, Object.keys(fields));
    throw new InvalidInputError("INVALID_OPTION", unknown, `no such option, the nearest is "${nearest}"`);
  }
  return read;
}

/** The name with the smallest edit distance. */
function nearestTo(name: string, names: readonly string[]): string {
  const edits = names.map((known) => editsBetween(name.toLowerCase(), known.toLowerCase()));
  return names[edits.indexOf(Math.min(...edits))] ?? "";
}

/** The edit distance: how many letters have to be inserted or deleted. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...from].entries()) {
    let left = i + 1;
    row = row.map((above, j) => {
      const isSame = j > 0 && letter === to[j - 1];
      if (j > 0) left = isSame ? (row[j - 1] ?? i) : Math.min(above, left) + 1;
      return left;
    });
  }
  return row.at(-1) ?? 0;
}

export const text: Schema<string> = be("text", (value) => typeof value === "string");

export const flag: Schema<boolean> = be("true or false", (value) => typeof value === "boolean");

export function number(min: number, max: number = Number.MAX_VALUE): Schema<number> {
  return be(
    `a number from ${min} to ${max}`,
    (value): value is number => typeof value === "number" && value >= min && value <= max,
  );
}

export function whole(min: number, max: number, what = "whole number"): Schema<number> {
  return be(
    `a ${what} from ${min} to ${max}`,
    (value): value is number => Number.isInteger(value) && Number(value) >= min && Number(value) <= max,
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An AbortSignal of any realm: `instanceof` fails for a signal from an iframe, a `vm` context or a test runner. */
export const aSignal: Schema<AbortSignal | undefined> = optional(
  be("an AbortSignal", (value): value is AbortSignal => {
    if (!isRecord(value)) return false;
    const { aborted, addEventListener, removeEventListener } = value;
    const isTarget = typeof addEventListener === "function" && typeof removeEventListener === "function";
    return isTarget && typeof aborted === "boolean";
  }),
);

/**
 * A plain view of a Uint8Array of any realm. `instanceof` accepts only objects of its own realm, not those of an
 * iframe, a `vm` context or a test runner. A Buffer is a Uint8Array, too.
 * @returns undefined for any other value, and for an array whose memory was transferred
 */
export function viewOf(value: unknown): Uint8Array | undefined {
  if (!ArrayBuffer.isView(value) || Object.prototype.toString.call(value) !== "[object Uint8Array]")
    return undefined;
  try {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  } catch {
    return undefined;
  }
}

/** Reads a Uint8Array of any realm, as {@link viewOf} does. */
export const bytes: Schema<Uint8Array> = (value, code, path) => {
  const view = viewOf(value);
  check(view !== undefined, code, path, "a Uint8Array", got(value));
  return view;
};
