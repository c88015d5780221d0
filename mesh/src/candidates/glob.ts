/** The maximum length of a pattern. Names of interfaces have at most 15 characters. */
export const MAX_GLOB = 64;

/**
 * Whether a name matches a pattern. `*` stands for any text, `?` for any character, `[a-z]` for one of these
 * characters, and `[^a-z]` for any other character. No regular expression is made of the pattern, because a hostile
 * expression could run without end.
 */
export function matchesGlob(name: string, pattern: string): boolean {
  return isGlob(pattern) && matches(name, partsOf(pattern));
}

/** Whether a text is a valid pattern. */
export function isGlob(pattern: string): boolean {
  return pattern.length <= MAX_GLOB && /^(?:[^[\]\\]|\[(?:\^[^[\]\\]+|[^[\]\\^][^[\]\\]*)\])*$/.test(pattern);
}

/** The parts of a pattern. Each part is `*`, or stands for one character. */
function partsOf(pattern: string): string[] {
  return pattern.match(/\[\^?[^[\]]+\]|./gs) ?? [];
}

function matches(name: string, parts: readonly string[]): boolean {
  // The possible positions in the pattern after the characters of the name so far.
  let places = skipStars(new Set([0]), parts);
  for (const character of name) {
    const next = new Set<number>();
    for (const at of places) {
      const part = parts[at];
      if (part === "*") next.add(at);
      else if (part !== undefined && isOne(character, part)) next.add(at + 1);
    }
    places = skipStars(next, parts);
  }
  return places.has(parts.length);
}

/** Adds the positions behind stars, because a star may stand for an empty text. */
function skipStars(places: Set<number>, parts: readonly string[]): Set<number> {
  for (const at of places) if (parts[at] === "*") places.add(at + 1);
  return places;
}

function isOne(character: string, part: string): boolean {
  if (part === "?") return true;
  if (!part.startsWith("[") || part.length === 1) return part === character;
  const isNot = part[1] === "^";
  const inside = part.slice(isNot ? 2 : 1, -1);
  return isInClass(character, inside) !== isNot;
}

function isInClass(character: string, inside: string): boolean {
  for (let i = 0; i < inside.length; i++) {
    const [first = "", dash, last] = inside.slice(i, i + 3);
    if (dash === "-" && last !== undefined) {
      if (character >= first && character <= last) return true;
      i += 2;
    } else if (character === first) return true;
  }
  return false;
}
