/** Packets with overlay addresses, seen outside of the tunnel: counted and dropped where a link to the outside ends. */
import type { Namespace } from "./namespace.js";

export interface Leak {
  /** The node that saw it, and the device by which it came or would have gone. */
  readonly seenAt: string;
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly packets: number;
}

const FAMILIES = ["4", "6"] as const;

/**
 * The rules that watch. In the middle all that comes is looked at; at a NAT box what goes out, before its source is
 * rewritten and nothing tells that it was an overlay address.
 */
export function leakRules(overlay: readonly string[], where: "middle" | "box"): string {
  const device = where === "middle" ? "iifname" : "oifname";
  const only = where === "middle" ? "" : "oifname wan ";
  const v6 = overlay.filter((prefix) => prefix.includes(":"));
  const v4 = overlay.filter((prefix) => !prefix.includes(":"));
  const families = [
    { name: "4", ip: "ip", type: "ipv4_addr", prefixes: v4 },
    { name: "6", ip: "ip6", type: "ipv6_addr", prefixes: v6 },
  ];
  return `
table inet leaks {
  ${families
    .map(
      ({ name, ip, type, prefixes }) => `
  set overlay${name} { type ${type}; flags interval; auto-merge; ${elements(prefixes)} }
  set seen${name} { type ifname . ${type} . ${type} . inet_proto; flags dynamic; counter; size 4096; }
  chain leak${name} {
    update @seen${name} { ${device} . ${ip} saddr . ${ip} daddr . meta l4proto counter }
    counter name "leaks" drop
  }`,
    )
    .join("\n")}
  counter leaks { }
  chain watch {
    type filter hook ${where === "middle" ? "prerouting priority -310" : "forward priority -10"};
    ${families
      .flatMap(({ name, ip }) =>
        ["saddr", "daddr"].map((side) => `${only}${ip} ${side} @overlay${name} goto leak${name}`),
      )
      .join("\n    ")}
  }
}`;
}

function elements(prefixes: readonly string[]): string {
  return prefixes.length === 0 ? "" : `elements = { ${prefixes.join(", ")} };`;
}

/** The line that makes one more prefix an overlay's. */
export function watchLine(prefix: string): string {
  return `add element inet leaks overlay${prefix.includes(":") ? "6" : "4"} { ${prefix} }`;
}

interface Element {
  readonly elem: {
    readonly val: { readonly concat: readonly string[] };
    readonly counter: { readonly packets: number };
  };
}

interface Listing {
  readonly nftables: readonly {
    readonly counter?: { readonly packets: number };
    readonly set?: { readonly name: string; readonly elem?: readonly Element[] };
  }[];
}

/** What a node has seen so far. */
export async function readLeaks(node: string, namespace: Namespace): Promise<Leak[]> {
  const { nftables }: Listing = JSON.parse(
    await namespace.run(["nft", "-j", "list", "table", "inet", "leaks"]),
  );
  const total = nftables.find(({ counter }) => counter !== undefined)?.counter?.packets ?? 0;
  const leaks = FAMILIES.flatMap((family) => {
    const set = nftables.find((entry) => entry.set?.name === `seen${family}`)?.set;
    return (set?.elem ?? []).map(({ elem: { val, counter } }) => {
      const [device = "", from = "", to = "", protocol = ""] = val.concat.map(String);
      return { seenAt: `${node}, ${device}`, from, to, protocol, packets: counter.packets };
    });
  });
  const listed = leaks.reduce((sum, { packets }) => sum + packets, 0);
  // The list has an end, the counter has none.
  if (listed >= total) return leaks;
  return [...leaks, { seenAt: node, from: "?", to: "?", protocol: "?", packets: total - listed }];
}

/** Forgets what was seen. */
export const FORGET_LEAKS: string = [
  "reset counter inet leaks leaks",
  "flush set inet leaks seen4",
  "flush set inet leaks seen6",
].join("\n");
