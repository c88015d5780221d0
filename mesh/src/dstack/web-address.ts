import { resolve } from "node:path";
import { MeshError } from "../errors.js";

/** The maximum length of a URL. Browsers and servers accept about as much. */
const MAX_CHARACTERS = 2048;

/**
 * Reads a URL of HTTP or HTTPS.
 * @param part - the name of the value, for the error. The error does not show the text, which may contain a password
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function webAddressFrom(text: string, part: string): URL {
  const url = text.length <= MAX_CHARACTERS && URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw new MeshError("INVALID_OPTION", `${part}: a URL is expected, with http:// or https:// at its start`);
}

/**
 * Reads where a list of nodes is: a URL, or the path of a file.
 * @param folder - the folder of relative paths
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function peersUrlFrom(text: string, part: string, folder: string): URL | string {
  return /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? webAddressFrom(text, part) : resolve(folder, text);
}

/** The text of a URL for a log: without user name, password, and the values after `?`, which may be secret, too. */
export function shownAddress({ protocol, host, pathname, search }: URL): string {
  return `${protocol}//${host}${pathname}${search === "" ? "" : "?…"}`;
}
