import type { Link } from "../device/network.js";
import { formatAddress, parseAddress } from "../ip/address.js";
import { type Prefix, parsePrefix } from "../ip/prefix.js";

/**
 * The UDP port of all listeners on a LAN. IANA has not assigned it, and no system assigns it to programs automatically.
 */
export const LAN_PORT = 21_841;

/** A multicast group of the own link. Nobody has assigned it (RFC 4291, section 2.7: scope 2, transient). */
export const LAN_GROUP = "ff12::7377:6d31";

/** An own address, and the destination that everybody on its link hears. */
export interface LanPlace {
  readonly family: 4 | 6;
  readonly own: string;
  /** The name of the interface. */
  readonly device: string;
  /** The directly connected network. */
  readonly network: Prefix;
  /** A broadcast address, or the group with the interface. */
  readonly everybody: string;
}

/**
 * The places to send from and to listen at.
 * @param own - the own addresses that peers may reach
 */
export function lanPlaces(links: readonly Link[], own: readonly string[]): LanPlace[] {
  return links.flatMap(({ name, addresses }) =>
    addresses
      .filter(({ address }) => own.includes(address))
      .flatMap(({ address, family, bits }): LanPlace[] => {
        const network = parsePrefix(`${address}/${bits}`);
        if (network === undefined) return [];
        const place = { family, own: address, device: name, network };
        if (family === 6) return bits < 128 ? [{ ...place, everybody: `${LAN_GROUP}%${name}` }] : [];
        const everybody = bits < 31 ? broadcastOf(address, bits) : undefined;
        return everybody === undefined ? [] : [{ ...place, everybody }];
      }),
  );
}

function broadcastOf(address: string, bits: number): string | undefined {
  const bytes = parseAddress(address);
  if (bytes === undefined) return undefined;
  const all = Buffer.from(bytes);
  all.writeUInt32BE((all.readUInt32BE(0) | (0xffff_ffff >>> bits)) >>> 0, 0);
  return formatAddress(new Uint8Array(all));
}
