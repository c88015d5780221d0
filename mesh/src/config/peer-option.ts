import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { allowedIpFrom, endpointFrom, keyFrom } from "./parts.js";

/**
 * A peer from one word: its key, where it is if that is known, and its allowed IPs.
 * `KEY[@ADDRESS:PORT][,ALLOWED-IP]…`: none of `@` and `,` is in any of the three.
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
