/** The nft rules of a NAT box, as text. Its outside device is `wan`, its inside `lan`. */
import type { NatKind, NatOptions, Stray } from "./description.js";

export interface Box {
  readonly kind: NatKind;
  readonly stray: Stray;
  readonly hairpin: boolean;
  /** Ports are kept as Linux keeps them, for every member of the LAN: a mapped port must stay what it is. */
  readonly keepsPorts: boolean;
  /** Its addresses outside: none where it has no IPv4. */
  readonly outside: readonly string[];
  /** Its LAN, as `address/bits`. */
  readonly lan: string;
  /** Addresses of those in the LAN, in their order. */
  readonly inside: readonly string[];
  readonly timeouts: Required<NatOptions>["timeouts"];
}

/** As Linux. */
export const TIMEOUTS: Box["timeouts"] = { unreplied: 30, stream: 120 };

/** Kinds that give a port to an inside socket, whoever it speaks to. */
const CONES: readonly NatKind[] = ["full-cone", "address-restricted", "port-restricted", "port-shifting"];

/** What miniupnpd has let pass. */
export const PINHOLE_MARK = 1;

/** By what the outside ports of a shifting box differ from those inside. */
export const SHIFT = 0x2000;

/**
 * By what the port outside differs from that inside, for the member of a LAN with this index: bits that are turned
 * over. So ports stay apart without a table: Linux' own NAT keeps a port only while no other host's flow has it to the
 * same destination, which is no mapping that one could rely on.
 */
export function portMask(kind: NatKind, index: number): number {
  if (!CONES.includes(kind)) return 0;
  return (kind === "port-shifting" ? SHIFT : 0) ^ (index << 10);
}

/** All rules of a box, replacing those it had. */
export function natRules(box: Box): string {
  return [box.outside.length > 0 ? ipv4Rules(box) : "", ipv6Rules(box)].join("\n");
}

function ipv4Rules(box: Box): string {
  const { kind, stray, hairpin, keepsPorts, outside, lan, inside, timeouts } = box;
  if (kind === "open") return "";
  const isCone = CONES.includes(kind);
  const masks = inside.map((address, index) => ({ address, mask: keepsPorts ? 0 : portMask(kind, index) }));
  const turned = masks.filter(({ mask }) => mask !== 0);
  const asked = askedKey(kind);
  const knows = isCone && (hairpin || kind === "full-cone" || kind === "address-restricted");
  const to =
    outside.length === 1
      ? outside[0]
      : `ip daddr & 0.0.0.1 map { 0.0.0.0 : ${outside[0]}, 0.0.0.1 : ${outside[1]} }`;
  const random = kind === "symmetric" ? " fully-random" : "";
  return `
table ip box
delete table ip box
table ip box {
  ${knows ? mapOf("mapped", "inet_service : ipv4_addr") : ""}
  ${knows && asked !== undefined ? setOf("asked", asked.type4) : ""}
  chain turn {
    type filter hook prerouting priority raw;
    ${lines(turned, ({ address, mask }) => `iifname lan ip saddr ${address} ip daddr != ${lan} udp sport set udp sport ^ ${mask}`)}
  }
  chain turn_back {
    type filter hook postrouting priority srcnat + 100;
    ${lines(turned, ({ address, mask }) => `oifname lan ip saddr != ${lan} ip daddr ${address} udp dport set udp dport ^ ${mask}`)}
  }
  chain note {
    type filter hook prerouting priority mangle;
    ${knows ? `iifname lan ip daddr != ${lan} meta l4proto udp update @mapped { udp sport timeout ${timeouts.stream}s : ip saddr }` : ""}
    ${knows && asked !== undefined ? `iifname lan ip daddr != ${lan} meta l4proto udp update @asked { ${asked.sent4} timeout ${timeouts.stream}s }` : ""}
  }
  chain inwards {
    type nat hook prerouting priority dstnat;
    ${kind === "full-cone" ? "iifname wan meta l4proto udp dnat to udp dport map @mapped" : ""}
    ${kind === "address-restricted" ? "iifname wan udp dport . ip saddr @asked dnat to udp dport map @mapped" : ""}
    ${hairpin ? `iifname lan ip daddr { ${outside.join(", ")} } meta l4proto udp ${asked === undefined ? "" : `${asked.hairpin4} @asked`} dnat to udp dport map @mapped` : ""}
  }
  chain outwards {
    type nat hook postrouting priority srcnat;
    oifname wan snat to ${to}${random}
    ${hairpin ? `oifname lan ip saddr ${lan} ct status dnat snat to ${outside[0]}` : ""}
  }
  chain input {
    type filter hook input priority filter;
    iifname wan ct state established,related accept
    ${stray === "drop" ? `iifname wan drop\n    ip daddr { ${outside.join(", ")} } meta l4proto udp drop` : ""}
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ${kind === "udp-blocked" ? "meta l4proto udp drop" : ""}
    iifname lan accept
    ct state established,related accept
    ct status dnat accept
  }
}`;
}

function ipv6Rules({ kind, stray, timeouts, keepsPorts }: Box): string {
  if (kind === "open") return "";
  const asked = askedKey(kind);
  const restricted = kind === "address-restricted" ? asked : undefined;
  const knows = kind === "full-cone" || restricted !== undefined;
  return `
table ip6 box
delete table ip6 box
table ip6 box {
  ${knows ? setOf("asked", restricted?.type6 ?? "ipv6_addr . inet_service") : ""}
  chain note {
    type filter hook prerouting priority mangle;
    ${knows ? `iifname lan meta l4proto udp update @asked { ${restricted?.sent6 ?? "ip6 saddr . udp sport"} timeout ${timeouts.stream}s }` : ""}
  }
  chain input {
    type filter hook input priority filter;
    iifname wan ct state established,related accept
    iifname wan icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
    ${stray === "drop" ? "iifname wan drop" : ""}
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ${kind === "udp-blocked" ? "meta l4proto udp drop" : ""}
    iifname lan accept
    ct state established,related accept
    ${keepsPorts ? `iifname wan meta mark ${PINHOLE_MARK} accept` : ""}
    ${kind === "full-cone" ? "ip6 daddr . udp dport @asked accept" : ""}
    ${restricted === undefined ? "" : "ip6 daddr . udp dport . ip6 saddr @asked accept"}
    ${stray === "drop" ? "" : "reject with icmpv6 type admin-prohibited"}
  }
}`;
}

/** What a box remembers of those that were spoken to, besides its own connection tracking. */
function askedKey(
  kind: NatKind,
): { type4: string; sent4: string; hairpin4: string; type6: string; sent6: string } | undefined {
  if (kind === "full-cone") return undefined;
  const port = kind === "address-restricted" ? "" : " . inet_service";
  const [dport, sport] = port === "" ? ["", ""] : [" . udp dport", " . udp sport"];
  return {
    type4: `inet_service . ipv4_addr${port}`,
    sent4: `udp sport . ip daddr${dport}`,
    // Who comes from inside by the outside address will have that address itself.
    hairpin4: `udp dport . ip daddr${sport}`,
    type6: `ipv6_addr . inet_service . ipv6_addr${port}`,
    sent6: `ip6 saddr . udp sport . ip6 daddr${dport}`,
  };
}

function setOf(name: string, type: string): string {
  return `set ${name} { type ${type}; flags dynamic, timeout; size 65535; }`;
}

function mapOf(name: string, type: string): string {
  return `map ${name} { type ${type}; flags dynamic, timeout; size 65535; }`;
}

function lines<T>(items: readonly T[], write: (item: T) => string): string {
  return items.map(write).join("\n    ");
}
