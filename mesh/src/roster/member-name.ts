/** A member's name, and a network's: one label of a host name (RFC 1123), in small letters. */
const NAME = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;

export const MAX_NAME_LENGTH = 63;

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** The nearest name to a text, such as a host's name; undefined when nothing of it is left. */
export function nameFrom(text: string): string | undefined {
  const [label = ""] = text.toLowerCase().split(".");
  const name = label
    .replace(/[^a-z\d-]+/g, "-")
    .slice(0, MAX_NAME_LENGTH)
    .replace(/^-+|-+$/g, "");
  return isName(name) ? name : undefined;
}
