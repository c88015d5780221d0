import * as z from "zod/mini";
import { MeshError } from "../errors.js";
import { type AddressBytes, formatAddress, parseAddress } from "../ip/address.js";
import { contains, type Prefix, parsePrefix } from "../ip/prefix.js";
import type { Command } from "./command.js";

/** A network interface of the host, with its addresses. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Whether the interface is up, and has a carrier as far as the kernel knows. */
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  readonly mtu: number;
  /** `wireguard`, `tun`, `veth`, `bridge`, …; undefined for a plain network card. */
  readonly kind: string | undefined;
  readonly addresses: readonly LinkAddress[];
}

/** An address of an interface. */
export interface LinkAddress {
  /** In canonical text. */
  readonly address: string;
  readonly family: 4 | 6;
  /** The length of the prefix that is directly connected. */
  readonly bits: number;
  readonly scope: string;
  /** Whether this is an IPv6 privacy address (RFC 8981), which changes every day. */
  readonly isTemporary: boolean;
  /** False for a tentative, duplicate or deprecated address. */
  readonly isUsable: boolean;
}

/** A route to another host. */
export interface Route {
  readonly destination: Prefix;
  readonly family: 4 | 6;
  /** The interfaces of the route: several for a multipath route, none for a blocking one. */
  readonly devices: readonly string[];
  readonly gateway: string | undefined;
  /** `main`, or the name or number of another table. */
  readonly table: string;
  readonly metric: number;
  /** The protocol that made the route, as a name or number of `rt_protos`. */
  readonly protocol: string | undefined;
}

/** The links and routes of a host, read together. */
export interface Network {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  /** The rules that choose a routing table, as text that is only compared. Undefined if the rules were not read. */
  readonly rules?: string | undefined;
}

/** The route that the kernel would choose. */
export interface Way {
  readonly device: string;
  /** The source address of the packets. */
  readonly source: string | undefined;
  readonly gateway: string | undefined;
}

export const SHOW_LINKS: Command = { program: "ip", args: ["-j", "-d", "addr", "show"] };
export const SHOW_ROUTES: Command = { program: "ip", args: ["-j", "route", "show", "table", "all"] };
/** Both commands in one process. */
export const SHOW_NETWORK: Command = {
  program: "ip",
  args: ["-j", "-d", "-batch", "-"],
  input: { text: "addr show\nroute show table all\n", isSecret: false },
};
/** Show the rules that choose a routing table, for each address family. */
export const SHOW_RULES: readonly Command[] = [
  { program: "ip", args: ["-j", "rule", "show"] },
  { program: "ip", args: ["-j", "-6", "rule", "show"] },
];
/** @param fwmark - the mark of WireGuard's own packets; 0 when they have none */
export function routeGet(address: string, fwmark: number): Command {
  const mark = fwmark === 0 ? [] : ["mark", String(fwmark)];
  return { program: "ip", args: ["-j", "route", "get", address, ...mark] };
}

/** Shows the IPv6 neighbours on a link. */
export function showNeighbours(device: string): Command {
  return { program: "ip", args: ["-j", "-6", "neigh", "show", "dev", device] };
}

const name = z.string().check(z.minLength(1), z.maxLength(64));
const count = z.int().check(z.minimum(0), z.maximum(0xffff_ffff));
const text = z.string().check(z.maxLength(100));

const linkSchema = z.object({
  ifindex: count,
  ifname: name,
  flags: z.array(text).check(z.maxLength(64)),
  mtu: count,
  operstate: z.optional(text),
  linkinfo: z.optional(z.object({ info_kind: z.optional(text) })),
  addr_info: z._default(z.array(z.unknown()).check(z.maxLength(65_536)), []),
});

const addressSchema = z.object({
  local: text,
  prefixlen: count.check(z.maximum(128)),
  scope: text,
  temporary: z._default(z.boolean(), false),
  tentative: z._default(z.boolean(), false),
  dadfailed: z._default(z.boolean(), false),
  deprecated: z._default(z.boolean(), false),
});

const routeSchema = z.object({
  type: z._default(text, "unicast"),
  dst: text,
  dev: z.optional(name),
  gateway: z.optional(text),
  prefsrc: z.optional(text),
  pref: z.optional(text),
  protocol: z.optional(z.union([text, count])),
  table: z._default(z.union([text, count]), "main"),
  metric: z._default(count, 0),
  nexthops: z._default(z.array(z.object({ dev: z.optional(name) })).check(z.maxLength(256)), []),
});

const neighbourSchema = z.object({ dst: text, lladdr: z.optional(text) });

/** The types of routes that take packets away: to a destination, or to nowhere. */
const LEADING: ReadonlySet<string> = new Set(["unicast", "blackhole", "unreachable", "prohibit", "throw"]);

/** @throws {@link MeshError} `COMMAND_FAILED` when the text is not JSON from `ip` */
export function parseLinks(json: string): Link[] {
  return each(json, linkSchema, (link) => ({
    index: link.ifindex,
    name: link.ifname,
    isUp: link.flags.includes("UP") && !["DOWN", "LOWERLAYERDOWN"].includes(link.operstate ?? ""),
    isLoopback: link.flags.includes("LOOPBACK"),
    mtu: link.mtu,
    kind: link.linkinfo?.info_kind,
    addresses: link.addr_info.flatMap((one) => addressOf(one) ?? []),
  }));
}

function addressOf(json: unknown): LinkAddress | undefined {
  const { data } = addressSchema.safeParse(json);
  const bytes = data && parseAddress(data.local);
  if (data === undefined || bytes === undefined || data.prefixlen > bytes.length * 8) return undefined;
  return {
    address: formatAddress(bytes),
    family: bytes.length === 4 ? 4 : 6,
    bits: data.prefixlen,
    scope: data.scope,
    isTemporary: data.temporary,
    isUsable: !data.tentative && !data.dadfailed && !data.deprecated,
  };
}

/** @throws {@link MeshError} `COMMAND_FAILED` */
export function parseRoutes(json: string): Route[] {
  return each(json, routeSchema, (route) => {
    if (!LEADING.has(route.type)) return undefined;
    // The output does not name the family. A default route without a gateway is recognised by its preference, which
    // only IPv6 has.
    const isIpv6 = route.pref !== undefined || /:/.test(`${route.dst}${route.gateway ?? ""}`);
    const family: 4 | 6 = isIpv6 ? 6 : 4;
    const destination = parsePrefix(
      route.dst === "default" ? (family === 6 ? "::/0" : "0.0.0.0/0") : route.dst,
    );
    if (destination === undefined) return undefined;
    return {
      destination,
      family,
      devices: [route, ...route.nexthops].flatMap(({ dev }) => dev ?? []),
      gateway: route.gateway,
      table: String(route.table),
      metric: route.metric,
      protocol: route.protocol === undefined ? undefined : String(route.protocol),
    };
  });
}

/** Whether packets to an address leave by an interface, according to the main table. */
export function leavesBy(name: string, routes: readonly Route[], address: AddressBytes): boolean {
  let best: Route | undefined;
  for (const route of routes) {
    if (route.table !== "main" || !contains(route.destination, address)) continue;
    const { bits } = route.destination;
    const isBetter =
      best === undefined ||
      bits > best.destination.bits ||
      (bits === best.destination.bits && route.metric < best.metric);
    if (isBetter) best = route;
  }
  return best?.devices.includes(name) ?? false;
}

/**
 * Reads the output of {@link SHOW_NETWORK}: one line with a list for each command. There is always a link. A host
 * without routes may have no second line.
 * @throws {@link MeshError} `COMMAND_FAILED`
 */
export function parseNetwork(text: string): Network {
  const [links = "", routes = ""] = text.split("\n");
  return { links: parseLinks(links), routes: parseRoutes(routes) };
}

/**
 * Reads the output of `ip -j route get`.
 * @returns undefined when the route leads nowhere
 * @throws {@link MeshError} `COMMAND_FAILED`
 */
export function parseWay(json: string): Way | undefined {
  const [way] = each(json, routeSchema, ({ type, dev, prefsrc, gateway }) =>
    dev === undefined || !["unicast", "local"].includes(type)
      ? undefined
      : { device: dev, source: prefsrc, gateway },
  );
  return way;
}

/**
 * Reads the output of {@link showNeighbours}.
 * @returns the link-layer address of each neighbour that has one, by its IP address in its one spelling
 * @throws {@link MeshError} `COMMAND_FAILED`
 */
export function parseNeighbours(json: string): ReadonlyMap<string, string> {
  return new Map(
    each(json, neighbourSchema, ({ dst, lladdr }) => {
      const bytes = parseAddress(dst);
      return bytes === undefined || lladdr === undefined
        ? undefined
        : ([formatAddress(bytes), lladdr] as const);
    }),
  );
}

/** The entries that match the schema. Other entries are of kinds that are not needed here. */
function each<S extends z.ZodMiniType, T>(
  json: string,
  schema: S,
  read: (entry: z.output<S>) => T | undefined,
): T[] {
  let entries: unknown;
  try {
    // Some versions print nothing when there is nothing to show.
    entries = json.trim() === "" ? [] : JSON.parse(json);
  } catch (error) {
    throw new MeshError("COMMAND_FAILED", "`ip -j` said something that is not JSON", { cause: error });
  }
  if (!Array.isArray(entries))
    throw new MeshError("COMMAND_FAILED", "`ip -j` said something that is no list");
  return entries.flatMap((entry: unknown) => {
    const parsed = schema.safeParse(entry);
    const value = parsed.success ? read(parsed.data) : undefined;
    return value === undefined ? [] : [value];
  });
}
