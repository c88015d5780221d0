import type { Host, Lab, Wireguard } from "../../lab/index.js";
import { makeKeys } from "../../lab/index.js";

/** A host of a lab with a WireGuard interface of which nothing is known but the other hosts' keys. */
export interface Member {
  readonly host: Host;
  readonly wireguard: Wireguard;
  readonly publicKey: string;
  /** Its address in the overlay. */
  readonly address: string;
}

/**
 * Gives hosts of a lab WireGuard interfaces that list each other's keys, and no endpoint.
 * @param knows - whether one is a peer of another. Default: all are
 */
export async function makeMembers(
  lab: Lab,
  names: readonly string[],
  knows: (one: string, other: string) => boolean = () => true,
): Promise<Record<string, Member>> {
  const keyed = await Promise.all(
    names.map(async (name, i) => {
      const host = lab.host(name);
      return { name, host, address: `10.9.0.${i + 1}`, ...(await makeKeys(host.namespace)) };
    }),
  );
  const members = await Promise.all(
    keyed.map(async ({ name, host, address, privateKey, publicKey }) => {
      const peers = keyed
        .filter((other) => other.name !== name && knows(name, other.name) && knows(other.name, name))
        .map((other) => ({ publicKey: other.publicKey, allowedIps: [`${other.address}/32`] }));
      const wireguard = await host.wireguard({ privateKey, address: `${address}/24`, peers });
      return [name, { host, wireguard, publicKey, address }] as const;
    }),
  );
  return Object.fromEntries(members);
}
