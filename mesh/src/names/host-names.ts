import { formatAddress, parseAddress } from "../ip/address.js";
import { isName } from "../roster/member-name.js";
import { isPublicDomain } from "./public-domains.js";

/** A network whose members get names. The names of the network and the members come from other hosts. */
export interface NamedNetwork {
  readonly network: string;
  /** If two members have the same name, the first one gets it. */
  readonly members: readonly NamedMember[];
}

export interface NamedMember {
  readonly name: string;
  /** The member's addresses in the overlay. */
  readonly addresses: readonly string[];
}

/** An address, and the names that lead to it, in lower case. */
export interface HostEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/** The maximum number of members that get names: the maximum size of a network. */
const MAX_NAMED = 1000;
/** The maximum number of addresses of a member. A member has one IPv4 and one IPv6 address. */
const MAX_ADDRESSES = 4;

/**
 * Below `internal`, these names belong to clouds and containers, such as `metadata.google.internal` and
 * `host.docker.internal`.
 */
const TAKEN: ReadonlySet<string> = new Set([
  ...["containers", "docker", "ec2", "google", "k3d", "lima", "localhost", "minikube", "orb"],
  "rancher-desktop",
]);

/**
 * The names of a network's members: `NAME.NETWORK.internal`, and also `NAME.NETWORK` if NETWORK is not a public domain.
 * A name that is not a valid label of a host name is left out.
 */
export function hostEntries({ network, members }: NamedNetwork): HostEntry[] {
  if (!isNetworkNamed(network)) return [];
  const given = new Set<string>();
  return members.slice(0, MAX_NAMED).flatMap(({ name, addresses }) => {
    if (!isLabel(name) || given.has(name)) return [];
    given.add(name);
    const short = `${name}.${network}`;
    const names = [`${short}.internal`, ...(isPublicDomain(network) ? [] : [short])];
    return addresses.slice(0, MAX_ADDRESSES).flatMap((text) => {
      const address = parseAddress(text);
      return address === undefined ? [] : [{ address: formatAddress(address), names }];
    });
  });
}

/** Whether members of a network with this name can have names. */
export function isNetworkNamed(network: string): boolean {
  return isLabel(network) && !TAKEN.has(network);
}

function isLabel(text: string): boolean {
  return isName(text) && text !== "localhost";
}
