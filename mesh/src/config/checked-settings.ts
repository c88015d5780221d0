import { checkInterfaceName, checkPeers } from "../device/checks.js";
import { MeshError } from "../errors.js";
import { checkOptions } from "../option-checks.js";
import { formatKey } from "../wireguard-key.js";
import type { Settings } from "./settings.js";

/**
 * Finds settings that do not go together, before anything is changed. `up` and `config check` call this, so that a
 * configuration which is called right can be used.
 * @throws {@link MeshError} `INVALID_OPTION`, `CONFLICT`, `LOW_ORDER_KEY`
 */
export function checkSettings(settings: Settings): void {
  const { interface: name, indexOverlay, peersUrl, peers = [] } = settings;
  if (name !== undefined) checkInterfaceName(name);
  checkOptions(settings);
  if (indexOverlay !== undefined && peersUrl === undefined)
    throw new MeshError(
      "INVALID_OPTION",
      "indexOverlay: it needs peersUrl (or --peers-url), as the numbers are those of the list",
    );
  const added = peers.map(({ publicKey, allowedIps }) => ({ publicKey: formatKey(publicKey), allowedIps }));
  // The own key is not known yet, and a file for all hosts may name this host as well. So any other key does.
  checkPeers(new Uint8Array(32).fill(1), added);
}
