/** The name of a member or a network: one label of a host name (RFC 1123), in lower case. */
const NAME = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/;

export const MAX_NAME_LENGTH = 63;

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** The nearest valid name to a text, such as a host's name; undefined when nothing of the text is left. */
export function nameFrom(text: string): string | undefined {
  const [label = ""] = text.toLowerCase().split(".");
  const name = label
    .replace(/[^a-z\d-]+/g, "-")
    .slice(0, MAX_NAME_LENGTH)
    .replace(/^-+|-+$/g, "");
  return isName(name) ? name : undefined;
}
