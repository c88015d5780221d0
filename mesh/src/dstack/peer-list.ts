import * as z from "zod/mini";
import { check } from "../check.js";
import { MeshError } from "../errors.js";
import { webAddressFrom } from "./web-address.js";

/** The maximum number of nodes in a list. The overlay of the original, a /24, has room for fewer. */
export const MAX_NODES = 256;

/** The maximum length of a list in bytes. A list of the most and longest URLs is shorter. */
export const MAX_LIST_BYTES: number = 1 << 20;

/** The file that a node serves, if the URL names only the server. */
const NODE_FILE = "/node.json";

const schema = z.array(z.string()).check(z.maxLength(MAX_NODES));

/**
 * Reads a list of nodes: a JSON array of URLs. The place in the list is the index of the node.
 * @throws {@link MeshError} `INVALID_OPTION` when it is no such list
 */
export function parsePeerList(text: string): URL[] {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    throw new MeshError("INVALID_OPTION", "it is not JSON");
  }
  const checked = check(schema, value);
  if (checked.problem !== undefined)
    throw new MeshError("INVALID_OPTION", `a JSON array of URLs is expected: ${checked.problem}`);
  return checked.value.map((one, i) => {
    const url = webAddressFrom(one, `number ${i} of the list`);
    if (url.pathname === "/") url.pathname = NODE_FILE;
    return url;
  });
}
