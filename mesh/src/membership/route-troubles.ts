import type { UnusedRoute } from "../device/member-routes.js";
import { formatPrefix } from "../ip/prefix.js";
import type { View } from "../roster/view.js";

/**
 * Why packets do not reach subnets behind members, one sentence each.
 * @param ownKey - the key of this host, in base64
 * @param unused - the subnets that this host does not use
 * @param isForwarding - whether this host forwards packets of a family
 */
export function routeTroubles(
  { members, refusedRoutes }: View,
  ownKey: string,
  unused: readonly UnusedRoute[],
  isForwarding: (family: 4 | 6) => boolean,
): string[] {
  const nameOf = (publicKey: string): string => members.get(publicKey)?.name ?? publicKey;
  const refused = refusedRoutes.map(({ by, prefix, because }) => {
    const why = "carrier" in because ? `${nameOf(because.carrier)} carries it` : because.problem;
    return `${nameOf(by)} does not carry ${formatPrefix(prefix)}: ${why}`;
  });
  const left = unused.map(
    ({ publicKey, prefix, because }) =>
      `${formatPrefix(prefix)} is not reached through ${nameOf(publicKey)} from here: ${because}`,
  );
  const carried = members.get(ownKey)?.routes ?? [];
  const families = new Set(carried.map(({ address }): 4 | 6 => (address.length === 4 ? 4 : 6)));
  const stuck = [...families]
    .filter((family) => !isForwarding(family))
    .map(
      (family) =>
        `this host carries subnets, and its kernel passes on no packets of IPv${family}: sysctl -w ${SWITCHES[family]}=1`,
    );
  return [...refused, ...left, ...stuck];
}

const SWITCHES = { 4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding" } as const;
