import type { Command } from "./command.js";

/** The STUN magic cookie (RFC 8489, section 5): bytes 4 to 7 of a packet. WireGuard has a random number there. */
const STUN_COOKIE = "0x2112a442";

/** What the rewriting rules need to know. */
export interface NftTable {
  /** The interface, for the table's name. */
  readonly name: string;
  /** WireGuard's own port. */
  readonly listenPort: number;
  /** The port of our sockets. */
  readonly helperPort: number;
  /** The mark of WireGuard's packets; 0 when they have none. */
  readonly fwmark: number;
}

/**
 * The name of an interface's table. nft's names have fewer letters than those of interfaces; a slash, which no
 * interface can have, stands before the code of each other one.
 */
export function tableNameOf(name: string): string {
  const safe = name.replace(/[^\w.-]/g, (letter) => `/${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `sidewire_mesh_${safe}`;
}

/**
 * Makes the table, or replaces it, at once: nobody ever sees half of it.
 *
 * What our sockets send leaves from WireGuard's own port, and STUN that comes to WireGuard's port comes to our sockets.
 * The port is changed before connection tracking on the way out, and after it on the way in, so that both have one
 * entry there, one local port and one NAT mapping. On the way in it is changed after a firewall has seen the packet
 * (firewalld's chain has priority 10, that of SELinux 50): what may come to WireGuard may come to us, and nothing else.
 * Nobody can send to our port itself.
 */
export function makeTable(table: NftTable): Command {
  const { listenPort, helperPort, fwmark } = table;
  const name = `inet ${tableNameOf(table.name)}`;
  // A chain of type route looks for the route again when the mark has changed: the one of WireGuard's own packets.
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

/** Removes the table; no error when there is none. */
export function removeTable(name: string): Command {
  const table = `inet ${tableNameOf(name)}`;
  return {
    program: "nft",
    args: ["-f", "-"],
    input: { text: `table ${table}\ndelete table ${table}\n`, isSecret: false },
  };
}

/** Says what is in the table, without counters; fails when there is none. */
export function showTable(name: string): Command {
  return { program: "nft", args: ["-s", "list", "table", "inet", tableNameOf(name)] };
}
