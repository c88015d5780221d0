import { existsSync } from "node:fs";
import { join } from "node:path";
import { WIREGUARD_SOCKETS } from "./names.js";
import type { Namespace } from "./namespace.js";
import { type LongRunning, until } from "./process.js";

export interface WireguardPeer {
  /** Base64. */
  readonly publicKey: string;
  /** Such as `10.9.0.2/32`. */
  readonly allowedIps: readonly string[];
  /** `address:port`, or `[address]:port`. Default: unknown. */
  readonly endpoint?: string;
  /** Seconds. Default: 0, none. */
  readonly keepalive?: number;
}

export interface WireguardOptions {
  /** Base64. */
  readonly privateKey: string;
  /** Default: 51 820. */
  readonly listenPort?: number;
  readonly peers?: readonly WireguardPeer[];
  /** With the length of the network, such as `10.9.0.1/24`. */
  readonly address?: string | readonly string[];
  /** Default: 1420. */
  readonly mtu?: number;
}

/** A WireGuard interface of a host. `await using` ends it; the lab does at its end. */
export interface Wireguard extends AsyncDisposable {
  readonly interface: string;
  /** wireguard-go, to be stopped and killed. */
  readonly process: LongRunning;
  /** Runs `wg set` on the interface, with these words. */
  set(...words: readonly string[]): Promise<void>;
  /** What `wg show INTERFACE …` says. */
  show(...words: readonly string[]): Promise<string>;
}

/** Keys for tests. */
export async function makeKeys(
  place: Pick<Namespace, "run">,
): Promise<{ privateKey: string; publicKey: string }> {
  const privateKey = (await place.run(["wg", "genkey"])).trim();
  return { privateKey, publicKey: (await place.run(["wg", "pubkey"], { input: privateKey })).trim() };
}

/** Starts wireguard-go in a namespace, and sets it up. */
export async function startWireguard(
  namespace: Namespace,
  name: string,
  { privateKey, listenPort = 51_820, peers = [], address = [], mtu = 1420 }: WireguardOptions,
): Promise<Wireguard> {
  const server = namespace.spawn(["wireguard-go", name], { ...process.env, WG_PROCESS_FOREGROUND: "1" });
  const socket = join(WIREGUARD_SOCKETS, `${name}.sock`);
  // Nothing tells when it serves but its socket.
  await until("wireguard-go", server, () => existsSync(socket));
  const words = peers.flatMap(({ publicKey, allowedIps, endpoint, keepalive }) => [
    ...["peer", publicKey, "allowed-ips", allowedIps.join(",")],
    ...(endpoint === undefined ? [] : ["endpoint", endpoint]),
    ...(keepalive === undefined ? [] : ["persistent-keepalive", `${keepalive}`]),
  ]);
  const set = async (more: readonly string[]): Promise<void> =>
    void (await namespace.run(["wg", "set", name, ...more]));
  // Node's pipes are sockets, which /dev/stdin cannot open.
  await namespace.run(
    [
      "sh",
      "-c",
      'cat | wg set "$@"',
      "sh",
      name,
      "private-key",
      "/dev/stdin",
      "listen-port",
      `${listenPort}`,
    ],
    { input: privateKey },
  );
  if (words.length > 0) await set(words);
  await namespace.set({
    ip: [
      `link set ${name} mtu ${mtu} up`,
      ...[address].flat().map((own) => `addr add ${own} dev ${name}${own.includes(":") ? " nodad" : ""}`),
    ],
  });
  return {
    interface: name,
    process: server,
    set: async (...more) => await set(more),
    show: async (...more) => await namespace.run(["wg", "show", name, ...more]),
    [Symbol.asyncDispose]: () => server.kill(),
  };
}
