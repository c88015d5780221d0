import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { MeshError } from "../errors.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { contains, formatPrefix, type Prefix } from "../ip/prefix.js";
import { linkLocalAddress } from "../overlay/link-local.js";
import { formatKey, publicKeyOf } from "../wireguard-key.js";
import type { WithheldRecord, WithheldRecords } from "./changes.js";
import type { Command, Runner } from "./command.js";
import type { Link } from "./network.js";
import { MTU, setPrivateKey } from "./plan.js";
import type { DevicePeer, DeviceState } from "./state.js";

/** How long wireguard-go may take to end, and how often its socket is checked; in ms. */
const ENDING_MS = 2_000;
const LOOK_MS = 5;

/** The settings of an interface to be made. */
export interface NewInterface {
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Default: a free port. */
  readonly listenPort?: number | undefined;
  /** Default: 1280. */
  readonly mtu?: number | undefined;
  /** The addresses, each with the length of its prefix. */
  readonly addresses: readonly InterfaceAddress[];
  readonly peers: readonly NewPeer[];
}

/** An address in a prefix that is directly connected. */
export interface InterfaceAddress {
  /** In canonical text. */
  readonly address: string;
  readonly prefix: Prefix;
}

/** A peer of an interface to be made. */
export interface NewPeer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly allowedIps: readonly Prefix[];
  readonly endpoint?: Endpoint | undefined;
  /** A secret of 32 bytes. */
  readonly presharedKey?: Uint8Array | undefined;
}

/**
 * Makes an interface with the kernel's WireGuard, otherwise with wireguard-go. wireguard-go runs in the background and
 * is not a child process. So tunnels stay up after a crash, and the next start continues with them. At a clean end the
 * interface is removed, which ends wireguard-go.
 * @throws {@link MeshError} `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`
 */
export async function createInterface(name: string, runner: Runner, signal?: AbortSignal): Promise<void> {
  try {
    await runner.run({ program: "ip", args: ["link", "add", "dev", name, "type", "wireguard"] }, signal);
  } catch (error) {
    if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") throw error;
    await runner.run({ program: "wireguard-go", args: [name] }, signal).catch((second: unknown) => {
      if (!(second instanceof MeshError) || second.code !== "MISSING_PROGRAM") throw second;
      throw new MeshError("MISSING_PROGRAM", `this kernel has no WireGuard, and ${second.message}`, {
        cause: error,
      });
    });
  }
}

/**
 * Removes an interface that this package made. wireguard-go ends with its interface; the promise resolves after that.
 * @throws {@link MeshError} `NOT_PERMITTED`, `COMMAND_FAILED`
 */
export async function deleteInterface(name: string, runner: Runner): Promise<void> {
  await runner.run({ program: "ip", args: ["link", "delete", "dev", name] });
  // wireguard-go is not a child process, so its socket is the only sign of it.
  for (let i = 0; i < ENDING_MS / LOOK_MS && existsSync(`/var/run/wireguard/${name}.sock`); i++)
    await delay(LOOK_MS);
}

/**
 * The commands for the keys and peers of a new interface. Running them twice does no harm: other settings of a peer
 * stay.
 * @param withheld - the allowed IPs that an earlier run took from peers. They stay taken as
 *   long as the peer's configuration is the same.
 */
export function configureCommands(
  name: string,
  wanted: NewInterface,
  withheld: WithheldRecords = {},
): Command[] {
  const peers = wanted.peers.map((peer) => peerCommand(name, peer, withheld));
  return [setPrivateKey(name, wanted.privateKey, wanted.listenPort), ...peers];
}

/** The command that gives an interface a peer, or an existing peer its settings. */
export function peerCommand(
  name: string,
  { publicKey, allowedIps, endpoint, presharedKey }: NewPeer,
  withheld: WithheldRecords = {},
): Command {
  const key = formatKey(publicKey);
  const to = endpoint === undefined ? [] : ["endpoint", formatEndpoint(endpoint)];
  const ips = withoutTaken(allowedIps.map(formatPrefix), linkLocalAddress(publicKey), withheld[key]);
  const secret = presharedKey === undefined ? [] : ["preshared-key", "/dev/stdin"];
  const args = ["set", name, "peer", key, ...secret, ...to, "allowed-ips", ips.join(",")];
  if (presharedKey === undefined) return { program: "wg", args };
  return { program: "wg", args, input: { text: `${formatKey(presharedKey)}\n`, isSecret: true } };
}

/**
 * The allowed IPs of a peer, without the ones that an earlier run took. If other allowed IPs are configured than in
 * that run, the record is obsolete, and the peer gets all of them.
 */
function withoutTaken(
  wanted: readonly string[],
  linkLocal: string,
  record: WithheldRecord | undefined,
): readonly string[] {
  if (record === undefined) return wanted;
  const configured = (some: readonly string[]): string =>
    some
      .filter((one) => one !== `${linkLocal}/128`)
      .toSorted()
      .join();
  if (configured(record.owned) !== configured(wanted)) return wanted;
  return record.owned.filter((one) => !record.taken.includes(one));
}

/**
 * The commands for the missing addresses, MTU and routes of an interface that this package made.
 * @param link - the current interface; undefined when it is just being made
 * @param routed - the destinations of the current routes by this interface
 */
export function networkCommands(
  name: string,
  wanted: NewInterface,
  link: Link | undefined,
  routed: readonly Prefix[],
): Command[] {
  const commands: Command[] = [];
  const ip = (...args: readonly string[]): number => commands.push({ program: "ip", args });
  for (const { address, prefix } of wanted.addresses) {
    const isThere = link?.addresses.some((one) => one.address === address && one.bits === prefix.bits);
    if (!isThere) ip("addr", "replace", `${address}/${prefix.bits}`, "dev", name);
  }
  const { mtu = MTU } = wanted;
  if (link?.mtu !== mtu || !link.isUp) ip("link", "set", "dev", name, "mtu", String(mtu), "up");
  const there = new Set(routed.map(formatPrefix));
  for (const allowed of routesOf(wanted)) {
    const to = formatPrefix(allowed);
    if (!there.has(to)) ip("route", "replace", to, "dev", name);
  }
  return commands;
}

/** The same interface with another key, and with the link-local address of that key. */
export function withPrivateKey(wanted: NewInterface, privateKey: Uint8Array): NewInterface {
  const before = linkLocalAddress(publicKeyOf(wanted.privateKey));
  const after = linkLocalAddress(publicKeyOf(privateKey));
  const addresses = wanted.addresses.map((one) =>
    one.address === before ? { ...one, address: after } : one,
  );
  return { ...wanted, privateKey, addresses };
}

/** The commands that remove addresses which the interface must not have any more, and add new ones. */
export function addressCommands(name: string, before: NewInterface, after: NewInterface): Command[] {
  const textsOf = ({ addresses }: NewInterface): string[] =>
    addresses.map(({ address, prefix }) => `${address}/${prefix.bits}`);
  const [old, now] = [textsOf(before), textsOf(after)];
  const command = (verb: "del" | "replace", one: string): Command => ({
    program: "ip",
    args: ["addr", verb, one, "dev", name],
  });
  return [
    ...old.filter((one) => !now.includes(one)).map((one) => command("del", one)),
    ...now.filter((one) => !old.includes(one)).map((one) => command("replace", one)),
  ];
}

/** The peers' prefixes that no own address leads to already. */
export function routesOf({ addresses, peers }: NewInterface): Prefix[] {
  return peers
    .flatMap(({ allowedIps }) => allowedIps)
    .filter(
      (allowed) =>
        !addresses.some(({ prefix }) => prefix.bits <= allowed.bits && contains(prefix, allowed.address)),
    );
}

/** The state of an interface that was not made yet. */
export function plannedState(name: string, wanted: NewInterface | undefined): DeviceState {
  const peers = wanted?.peers.map(
    ({ publicKey, allowedIps, endpoint, presharedKey }): DevicePeer => ({
      publicKey: formatKey(publicKey),
      presharedKey: presharedKey && formatKey(presharedKey),
      endpoint,
      endpointText: endpoint && formatEndpoint(endpoint),
      allowedIps,
      lastHandshake: undefined,
      receivedBytes: 0,
      sentBytes: 0,
      keepaliveS: 0,
    }),
  );
  return {
    name,
    privateKey: wanted?.privateKey,
    publicKey: wanted && publicKeyOf(wanted.privateKey),
    listenPort: wanted?.listenPort ?? 0,
    fwmark: 0,
    peers: peers ?? [],
  };
}
