/** The maximum number of unknown keys that are named, and the maximum length of each shown key. */
const MAX_NAMED = 16;
const MAX_SHOWN = 64;

/** A part of a file, and the keys that are known in it. */
export interface KeyedPart {
  readonly value: object;
  readonly known: readonly string[];
  /** What stands before the keys in messages, as in `peers.0.` */
  readonly place: string;
}

/** A sentence for each unknown key, with the place of the key. Where there are many, the rest is counted. */
export function unknownKeys(parts: readonly KeyedPart[]): string[] {
  const unknown = parts.flatMap(({ value, known, place }) =>
    Object.keys(value)
      .filter((key) => !known.includes(key))
      .map((key) => `${place}${key.slice(0, MAX_SHOWN)}`),
  );
  const more = unknown.length - MAX_NAMED;
  return [
    ...unknown.slice(0, MAX_NAMED).map((key) => `${key} is not known here, and has no effect`),
    ...(more > 0
      ? [`${more} more ${more === 1 ? "key is" : "keys are"} not known here, without effect`]
      : []),
  ];
}
