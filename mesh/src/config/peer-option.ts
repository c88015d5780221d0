import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { allowedIpFrom, endpointFrom, keyFrom } from "./parts.js";

/**
 * Reads a peer from one word: its key, its endpoint if it is known, and its allowed IPs. The format is
 * `KEY[@ADDRESS:PORT][,ALLOWED-IP]…`. The characters `@` and `,` occur in none of the three parts.
 * @throws {@link MeshError} `INVALID_KEY`, `INVALID_OPTION`
 */
export function parsePeerOption(text: string): NewPeer {
  const [head = "", ...allowedIps] = text.split(",");
  const [key = "", endpoint, more] = head.split("@");
  const publicKey = keyFrom(key, "--peer");
  if (more !== undefined) throw new MeshError("INVALID_OPTION", `--peer "${text}": it has more than one @`);
  return {
    publicKey,
    allowedIps: allowedIps.map((one) => allowedIpFrom(one, "--peer: allowed IP")),
    ...(endpoint === undefined ? {} : { endpoint: endpointFrom(endpoint, "--peer: endpoint") }),
  };
}
