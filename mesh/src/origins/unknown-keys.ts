/** The maximum number of unknown keys that are named, and the maximum length of each shown key. */
const MAX_NAMED = 16;
const MAX_SHOWN = 64;

/** A sentence for each unknown key, with the place of the key. */
export function unknownKeys(value: object, known: readonly string[], place: string): string[] {
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  return unknown
    .slice(0, MAX_NAMED)
    .map((key) => `${place}${key.slice(0, MAX_SHOWN)} is not known here, and has no effect`);
}
