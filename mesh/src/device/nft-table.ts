import type { Command } from "./command.js";

/** The magic cookie of STUN (RFC 8489, section 5): bytes 4 to 7 of a packet. WireGuard has a random number there. */
const STUN_COOKIE = "0x2112a442";

/** The input for the rewriting rules. */
export interface NftTable {
  /** The name of the interface, for the name of the table. */
  readonly name: string;
  /** WireGuard's own port. */
  readonly listenPort: number;
  /** The port of the own sockets. */
  readonly helperPort: number;
  /** The mark of WireGuard's packets; 0 when they have none. */
  readonly fwmark: number;
}

/**
 * The name of an interface's table. Names in nft allow fewer characters than names of interfaces. Each other character
 * is replaced by a slash, which no interface can have, and the character's code.
 */
export function tableNameOf(name: string): string {
  const safe = name.replace(/[^\w.-]/g, (letter) => `/${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `sidewire_mesh_${safe}`;
}

/**
 * Makes or replaces the table in one step, so it is never seen half done.
 *
 * Packets from the own sockets leave from WireGuard's own port, and STUN packets to WireGuard's port come to the own
 * sockets. The port is changed before connection tracking on the way out, and after it on the way in. So both
 * directions share one entry there, one local port and one NAT mapping.
 *
 * On the way in, the port is changed after a firewall has seen the packet (firewalld's chain has priority 10, that of
 * SELinux 50). So exactly the packets that may come to WireGuard may come to the own sockets. Nobody can send to the
 * port of the own sockets directly.
 */
export function makeTable(table: NftTable): Command {
  const { listenPort, helperPort, fwmark } = table;
  const name = `inet ${tableNameOf(table.name)}`;
  // A chain of type route looks up the route again when the mark has changed. The mark gives these packets the route of
  // WireGuard's own packets.
  const [type, mark] = fwmark === 0 ? ["filter", ""] : ["route", `meta mark set 0x${fwmark.toString(16)} `];
  const text = `table ${name}
delete table ${name}
table ${name} {
  chain out {
    type ${type} hook output priority raw
    udp sport ${helperPort} ${mark}udp sport set ${listenPort}
  }
  chain in {
    type filter hook input priority 90
    udp dport ${helperPort} drop
    udp dport ${listenPort} @th,96,32 ${STUN_COOKIE} udp dport set ${helperPort}
  }
}
`;
  return { program: "nft", args: ["-f", "-"], input: { text, isSecret: false } };
}

/** Removes the table. No error when there is none. */
export function removeTable(name: string): Command {
  const table = `inet ${tableNameOf(name)}`;
  return {
    program: "nft",
    args: ["-f", "-"],
    input: { text: `table ${table}\ndelete table ${table}\n`, isSecret: false },
  };
}

/** Shows the content of the table, without counters. Fails when there is no table. */
export function showTable(name: string): Command {
  return { program: "nft", args: ["-s", "list", "table", "inet", tableNameOf(name)] };
}
