import { parseAddress } from "../ip/address.js";
import { hostEntries, type NamedNetwork } from "./host-names.js";

/** The domains of names for addresses (RFC 1035, section 3.5; RFC 3596, section 2.5). */
const REVERSE = ["in-addr.arpa", "ip6.arpa"] as const;

/** The names of a network in DNS: names below `NETWORK.internal`, and names for the members' addresses. */
export class Zone {
  /** `NETWORK.internal` */
  readonly apex: string;
  readonly #addresses = new Map<string, string[]>();
  readonly #pointers = new Map<string, string>();

  constructor(network: NamedNetwork) {
    this.apex = `${network.network}.internal`;
    for (const { address, names } of hostEntries(network)) {
      const [name = ""] = names;
      this.#addresses.set(name, [...(this.#addresses.get(name) ?? []), address]);
      // If two members have the same address, the first one gets it.
      const pointer = reverseOf(address);
      if (!this.#pointers.has(pointer)) this.#pointers.set(pointer, name);
    }
  }

  /**
   * The addresses of a member.
   * @param name - in lower case
   * @returns undefined when there is no such name
   */
  addressesOf(name: string): readonly string[] | undefined {
    return name === this.apex ? [] : this.#addresses.get(name);
  }

  /**
   * The member with an address.
   * @param pointer - in lower case, such as `2.0.9.10.in-addr.arpa`
   */
  memberAt(pointer: string): string | undefined {
    return this.#pointers.get(pointer);
  }

  /** Whether a name, in lower case, belongs to this zone, even if it does not exist. */
  has(name: string): boolean {
    return name === this.apex || name.endsWith(`.${this.apex}`);
  }
}

/** The DNS name of an address. */
function reverseOf(address: string): string {
  const bytes = parseAddress(address) ?? new Uint8Array();
  const isIPv4 = bytes.length === 4;
  const parts = isIPv4 ? [...bytes] : [...Buffer.from(bytes).toString("hex")];
  return `${parts.reverse().join(".")}.${isIPv4 ? REVERSE[0] : REVERSE[1]}`;
}
