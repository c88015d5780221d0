import { formatAddress, parseAddress } from "../ip/address.js";
import { isName } from "../roster/member-name.js";
import { isPublicDomain } from "./public-domains.js";

/** A network as its members are to be found by name. What it is called, and they, was said by others. */
export interface NamedNetwork {
  readonly network: string;
  /** Who comes first keeps a name that a later one has too. */
  readonly members: readonly NamedMember[];
}

export interface NamedMember {
  readonly name: string;
  /** Of the overlay. */
  readonly addresses: readonly string[];
}

/** An address, and the names that lead to it; the names are in small letters. */
export interface HostEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/** Members that get names: as many as a network may have. */
const MAX_NAMED = 1000;
/** Addresses of one member: it has one of IPv4 and one of IPv6. */
const MAX_ADDRESSES = 4;

/** Below `internal` these belong to clouds and containers: `metadata.google.internal`, `host.docker.internal`. */
const TAKEN: ReadonlySet<string> = new Set([
  ...["containers", "docker", "ec2", "google", "k3d", "lima", "localhost", "minikube", "orb"],
  "rancher-desktop",
]);

/**
 * What a network's members are called: `NAME.NETWORK.internal`, and `NAME.NETWORK` where no public domain is called as
 * the network is. What is no label of a host name gets no name at all.
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

/** Whether the members of a network of this name can have names. */
export function isNetworkNamed(network: string): boolean {
  return isLabel(network) && !TAKEN.has(network);
}

function isLabel(text: string): boolean {
  return isName(text) && text !== "localhost";
}
