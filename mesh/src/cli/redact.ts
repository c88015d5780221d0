import { isIP } from "node:net";
import { parseAddress } from "../ip/address.js";
import { scopeOf } from "../ip/scope.js";

/** A WireGuard key in the form of `wg`. */
const KEY = /[\w+/]{43}=/g;

/** A text that may be an address. The caller tests whether the text is one. */
const ADDRESS = /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]*:[\da-f:]*:[\da-f.:]*)(?![\w])/gi;

/**
 * Replaces everything that identifies people: keys, public addresses and the given names. The same value always gets
 * the same replacement, so that readers can still follow the text.
 */
export class Redactor {
  readonly #given = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #names: readonly string[];

  /** @param names - the names of peers and hosts */
  constructor(names: Iterable<string>) {
    // The longest name is replaced first, because one name may be the beginning of another.
    this.#names = [...new Set(names)].filter((name) => name !== "").toSorted((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let redacted = text
      .replace(KEY, (key) => this.#replace("KEY", key))
      .replace(ADDRESS, (address) => (isPublic(address) ? this.#replace("ADDRESS", address) : address));
    for (const name of this.#names) redacted = this.#withoutName(redacted, name);
    return redacted;
  }

  #withoutName(text: string, name: string): string {
    const parts = text.split(name);
    if (parts.length === 1) return text;
    // A name within a word is not replaced, because a host may have the name `a`.
    return parts.reduce((before, after) => {
      const isWhole = !/[\w-]$/.test(before) && !/^[\w-]/.test(after);
      return `${before}${isWhole ? this.#replace("NAME", name) : name}${after}`;
    });
  }

  #replace(kind: "KEY" | "ADDRESS" | "NAME", value: string): string {
    const known = this.#given.get(value);
    if (known !== undefined) return known;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    const replacement = `${kind}${count}`;
    this.#given.set(value, replacement);
    return replacement;
  }
}

function isPublic(text: string): boolean {
  const bytes = isIP(text) > 0 ? parseAddress(text) : undefined;
  return bytes !== undefined && scopeOf(bytes) === "global";
}
