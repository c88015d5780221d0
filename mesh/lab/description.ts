/** What a lab is described by: NAT boxes, hosts, and the servers in the middle. */

/**
 * What a box between a LAN and the outside does with UDP, in the words of RFC 4787.
 *
 * | kind | mapping | filtering |
 * | --- | --- | --- |
 * | `open` | none: hosts have public addresses | none |
 * | `full-cone` | endpoint-independent, same port | endpoint-independent |
 * | `address-restricted` | endpoint-independent, same port | address-dependent |
 * | `port-restricted` | endpoint-independent, same port | address and port-dependent |
 * | `port-shifting` | endpoint-independent, another port | address and port-dependent |
 * | `symmetric` | address and port-dependent, random ports | address and port-dependent |
 * | `udp-blocked` | as port-restricted for TCP | no UDP passes |
 *
 * The second host of a LAN gets other ports outside, also where the first keeps its own.
 */
export const NAT_KINDS = [
  "open",
  "full-cone",
  "address-restricted",
  "port-restricted",
  "port-shifting",
  "symmetric",
  "udp-blocked",
] as const;

export type NatKind = (typeof NAT_KINDS)[number];

export type Family = "IPv4" | "IPv6" | "both";

/** What a box does with a packet from outside that belongs to no mapping. */
export type Stray =
  /** It vanishes. */
  | "drop"
  /** As a Linux without a firewall: the box takes it for itself, remembers it, and answers "port unreachable". */
  | "accept";

export interface NatOptions {
  readonly kind: NatKind;
  /** Default: `drop`. */
  readonly stray?: Stray;
  /** The NAT box behind which this one is. Default: none, it is outside. */
  readonly behind?: string;
  /** Whether hosts of the LAN reach each other by their outside addresses. Default: no. */
  readonly hairpin?: boolean;
  /** Outside addresses; with two, packets to even destinations have the first, to odd ones the second. Default: 1. */
  readonly addresses?: 1 | 2;
  /** Default: that of the lab. IPv6 is routed, and filtered as the kind filters. */
  readonly family?: Family;
  /** Seconds after which the box forgets UDP. Default: 30 and 120, as Linux. */
  readonly timeouts?: {
    /** A flow that only one side has spoken in. */
    readonly unreplied: number;
    /** A flow with answers, and what an endpoint-independent mapping lasts after its last packet from inside. */
    readonly stream: number;
  };
  /**
   * Whether hosts of the LAN may have ports of it by PCP, NAT-PMP and UPnP: by miniupnpd, which is there when the lab is.
   * Such a box has an address outside that miniupnpd does not take for a private one, and keeps ports as Linux does.
   * Default: no.
   */
  readonly portMapping?: boolean;
  /** The LAN, such as `192.168.1.0/24`; two NATs may have the same. Default: one of its own. */
  readonly lan?: string;
}

export interface HostOptions {
  /** The NAT boxes of `eth0`, `eth1` …; `"internet"` is a public address. Default: `"internet"`. */
  readonly behind?: string | readonly string[];
  /** Uplinks that are down at first, such as `["eth1"]`. */
  readonly down?: readonly string[];
  /** Whether packets leave by the uplink whose address they have. Default: no, by the first that is up. */
  readonly sourceRules?: boolean;
  /** Family of uplinks to the internet itself. Default: that of the lab. */
  readonly family?: Family;
}

export interface LabDescription {
  readonly nats?: Readonly<Record<string, NatOptions>>;
  readonly hosts: Readonly<Record<string, HostOptions>>;
  /** Default: `IPv4`. */
  readonly family?: Family;
  /** MQTT brokers in the middle. Default: 0. */
  readonly brokers?: number;
  /** Whether there is a STUN server on two addresses. Default: no. */
  readonly stun?: boolean;
  /** Whether there is a TURN server, for one user. Default: no. */
  readonly turn?: boolean;
  /** What must not be seen outside in plaintext. Default: `10.9.0.0/16` and `fd00::/8`. */
  readonly overlay?: readonly string[];
}

/** The node in the middle, where all outside links meet. */
export const INTERNET = "internet";

/** Checks what types cannot say. */
export function checkDescription({ nats = {}, hosts, brokers = 0 }: LabDescription): void {
  for (const name of [...Object.keys(nats), ...Object.keys(hosts)]) {
    check(/^[a-z][a-z0-9-]{0,31}$/.test(name), `${name} is no name: up to 32 of a-z, 0-9 and -`);
    check(name !== INTERNET && !(name in nats && name in hosts), `there are two of the name ${name}`);
  }
  for (const [name, nat] of Object.entries(nats)) {
    const { kind, behind, hairpin = false, addresses = 1, portMapping = false } = nat;
    check(NAT_KINDS.includes(kind), `${name} is of no kind that there is: ${kind}`);
    check(behind === undefined || behind in nats, `${name} is behind ${behind}, which is no NAT`);
    check(
      behind === undefined || kind !== "open",
      `${name} is open behind a NAT: it has no public addresses`,
    );
    check(
      !hairpin || !["open", "symmetric", "udp-blocked"].includes(kind),
      `${kind} has no hairpin: ${name}`,
    );
    check(
      !portMapping || (behind === undefined && kind !== "open" && addresses === 1),
      `${name} cannot map ports: only a box with one address outside can`,
    );
    check(addresses === 1 || (behind === undefined && kind !== "open"), `${name} cannot have two addresses`);
  }
  for (const [name, { behind = INTERNET }] of Object.entries(hosts)) {
    for (const parent of [behind].flat()) {
      check(parent === INTERNET || parent in nats, `${name} is behind ${parent}, which is no NAT`);
    }
  }
  check(brokers >= 0 && brokers <= 40, "there can be 0 to 40 brokers");
}

function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(`lab: ${otherwise}`);
}
