/** The longest pattern that is looked at: names of interfaces have at most 15 characters. */
export const MAX_GLOB = 64;

/**
 * Whether a name is what a pattern says: `*` is anything, `?` one character, `[a-z]` one of these, `[^a-z]` none of them.
 * Without regular expressions, of which a hostile one could take for ever.
 */
export function matchesGlob(name: string, pattern: string): boolean {
  return isGlob(pattern) && matches(name, partsOf(pattern));
}

/** Whether a pattern can be understood. */
export function isGlob(pattern: string): boolean {
  return pattern.length <= MAX_GLOB && /^(?:[^[\]\\]|\[(?:\^[^[\]\\]+|[^[\]\\^][^[\]\\]*)\])*$/.test(pattern);
}

/** The pieces of a pattern: one for each character that it stands for, and `*`. */
function partsOf(pattern: string): string[] {
  return pattern.match(/\[\^?[^[\]]+\]|./gs) ?? [];
}

function matches(name: string, parts: readonly string[]): boolean {
  // Where in the pattern the name may be, after each of its characters.
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

/** A star may stand for nothing. */
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
