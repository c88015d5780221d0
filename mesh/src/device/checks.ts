import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { contains, formatPrefix, overlaps, type Prefix, parsePrefix } from "../ip/prefix.js";
import { formatKey, parseKey, publicKeyOf, sharedSecretOf } from "../wireguard-key.js";
import type { Link } from "./network.js";
import type { DeviceState } from "./state.js";

/** A peer as it is configured. */
export interface ConfiguredPeer {
  /** The peer's public key, in base64. */
  readonly publicKey: string;
  readonly allowedIps: readonly Prefix[];
}

/** Names that both the kernel and wg-quick accept. No such name is an option of a program or a path. */
const INTERFACE_NAME = /^[\w=+.][\w=+.-]{0,14}$/;

/** Ranges that every interface has for itself. They belong to nobody. */
const LINK_LOCAL: readonly Prefix[] = ["fe80::/10", "169.254.0.0/16"].flatMap(
  (text) => parsePrefix(text) ?? [],
);

/** @throws {@link MeshError} `INVALID_OPTION` */
export function checkInterfaceName(name: unknown): asserts name is string {
  if (typeof name === "string" && INTERFACE_NAME.test(name) && name !== "." && name !== "..") return;
  throw new MeshError(
    "INVALID_OPTION",
    "interface: a name of 1 to 15 letters, digits and any of _ = + . - is expected, such as wg0",
  );
}

/**
 * Refuses settings that WireGuard accepts without an error but that can never work.
 * @throws {@link MeshError} `OWN_KEY`, `LOW_ORDER_KEY`, `INVALID_KEY`; `CONFLICT` when two peers have the same allowed
 * IP
 */
export function checkPeers(privateKey: Uint8Array, peers: readonly ConfiguredPeer[]): void {
  const own = formatKey(publicKeyOf(privateKey));
  const owners = new Map<string, string>();
  for (const { publicKey, allowedIps } of peers) {
    if (publicKey === own)
      throw new MeshError("OWN_KEY", `peer ${publicKey} is this host itself: remove it from the peers`);
    checkOrder(privateKey, publicKey);
    for (const prefix of allowedIps) {
      const text = formatPrefix(prefix);
      const owner = owners.get(text) ?? publicKey;
      if (owner !== publicKey)
        throw new MeshError(
          "CONFLICT",
          `${text} is an allowed IP of the peers ${owner} and ${publicKey}: WireGuard would give it to the last alone`,
        );
      owners.set(text, publicKey);
    }
  }
}

/** @throws {@link MeshError} `NOT_CONFIGURED`, and the errors of {@link checkPeers} */
export function checkConfigured(state: DeviceState): DeviceState {
  const { name, privateKey, listenPort, peers } = state;
  if (privateKey === undefined)
    throw new MeshError("NOT_CONFIGURED", `${name} has no private key: \`wg set ${name} private-key FILE\``);
  if (listenPort === 0)
    throw new MeshError("NOT_CONFIGURED", `${name} has no port: \`wg set ${name} listen-port 51820\``);
  checkPeers(privateKey, peers);
  return state;
}

function checkOrder(privateKey: Uint8Array, publicKey: string): void {
  try {
    sharedSecretOf(privateKey, parseKey(publicKey));
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== "LOW_ORDER_KEY") throw error;
    throw new MeshError(
      "LOW_ORDER_KEY",
      `peer ${publicKey}: a key of low order, with which nobody can share a secret. Remove this peer`,
      { cause: error },
    );
  }
}

/**
 * Checks that the overlay does not cover directly connected networks. Otherwise neither the LAN nor the tunnel itself
 * could be reached.
 * @param name - the name of the own interface, which is left out
 * @param overlay - the prefixes of the own addresses
 * @throws {@link MeshError} `CONFLICT`
 */
export function checkOverlay(name: string, overlay: readonly Prefix[], links: readonly Link[]): void {
  for (const prefix of overlay) {
    if (LINK_LOCAL.some((one) => one.bits <= prefix.bits && contains(one, prefix.address))) continue;
    for (const { device, local } of connectedBy(name, links)) {
      if (overlaps(prefix, local))
        throw new MeshError(
          "CONFLICT",
          `the overlay ${formatPrefix(prefix)} covers addresses of ${device} (${formatPrefix(local)}): ` +
            "choose another range for the overlay",
        );
    }
  }
}

/** The interfaces of LANs. Other tunnels are not LANs. */
export function lansIn(links: readonly Link[]): Link[] {
  return links.filter(({ kind }) => kind !== "wireguard" && kind !== "tun");
}

/** The networks in which an interface has an address. Prefixes of a single address are left out. */
export function networksOf({ addresses }: Link): Prefix[] {
  return addresses.flatMap(({ address, bits, family }) => {
    const network = parsePrefix(`${address}/${bits}`);
    return network === undefined || bits === (family === 4 ? 32 : 128) ? [] : [network];
  });
}

/**
 * The networks that other interfaces are directly connected to. @param name - the name of the interface to leave out
 */
export function connectedBy(name: string, links: readonly Link[]): { device: string; local: Prefix }[] {
  return links
    .filter((link) => link.name !== name && !link.isLoopback)
    .flatMap((link) =>
      link.addresses.flatMap(({ address, bits }) => {
        const bytes = parseAddress(address);
        const local = bytes && parsePrefix(`${address}/${bits}`);
        const isOfEveryLink = bytes && LINK_LOCAL.some((one) => contains(one, bytes));
        return local === undefined || isOfEveryLink ? [] : [{ device: link.name, local }];
      }),
    );
}
