import * as z from "zod/mini";
import { MeshError } from "../errors.js";
import { type AddressBytes, formatAddress, parseAddress } from "../ip/address.js";
import { contains, type Prefix, parsePrefix } from "../ip/prefix.js";
import type { Command } from "./command.js";

/** A network interface of the host, with its addresses. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Brought up, and with a carrier as far as the kernel can tell. */
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  readonly mtu: number;
  /** `wireguard`, `tun`, `veth`, `bridge`, …; undefined for a plain network card. */
  readonly kind: string | undefined;
  readonly addresses: readonly LinkAddress[];
}

/** An address of an interface. */
export interface LinkAddress {
  /** In its one spelling. */
  readonly address: string;
  readonly family: 4 | 6;
  /** Length of the prefix that is directly connected. */
  readonly bits: number;
  readonly scope: string;
  /** An IPv6 privacy address (RFC 8981), which is another one tomorrow. */
  readonly isTemporary: boolean;
  /** Not usable (yet, or any more): tentative, a duplicate, or deprecated. */
  readonly isUsable: boolean;
}

/** A route to somewhere else than the host itself. */
export interface Route {
  readonly destination: Prefix;
  readonly family: 4 | 6;
  /** The interfaces that it leaves by: several when it is a multipath route, none when it blocks. */
  readonly devices: readonly string[];
  readonly gateway: string | undefined;
  /** `main`, or the name or number of another table. */
  readonly table: string;
  readonly metric: number;
  /** Who made it, as a name or number of `rt_protos`. */
  readonly protocol: string | undefined;
}

/** What a host has of network, read at once. */
export interface Network {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
}

/** Which way the kernel would send something. */
export interface Way {
  readonly device: string;
  /** The address that it would be sent from. */
  readonly source: string | undefined;
  readonly gateway: string | undefined;
}

export const SHOW_LINKS: Command = { program: "ip", args: ["-j", "-d", "addr", "show"] };
export const SHOW_ROUTES: Command = { program: "ip", args: ["-j", "route", "show", "table", "all"] };
/** Both of them, by one process. */
export const SHOW_NETWORK: Command = {
  program: "ip",
  args: ["-j", "-d", "-batch", "-"],
  input: { text: "addr show\nroute show table all\n", isSecret: false },
};
/** @param fwmark - of WireGuard's own packets; 0 when they have none */
export function routeGet(address: string, fwmark: number): Command {
  const mark = fwmark === 0 ? [] : ["mark", String(fwmark)];
  return { program: "ip", args: ["-j", "route", "get", address, ...mark] };
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

/** Types of routes that take packets away: to somewhere, or to nowhere. */
const LEADING: ReadonlySet<string> = new Set(["unicast", "blackhole", "unreachable", "prohibit", "throw"]);

/** @throws {@link MeshError} `COMMAND_FAILED` for what is not JSON as `ip` writes it */
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
    // The family is not named. A default route without a gateway is told by its preference, which IPv6 alone has.
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

/** Whether packets to an address leave by an interface, as the main table says. */
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
 * What {@link SHOW_NETWORK} shows: a list on a line of its own for each question. There is always a link, and a host
 * without routes may have no second line.
 * @throws {@link MeshError} `COMMAND_FAILED`
 */
export function parseNetwork(text: string): Network {
  const [links = "", routes = ""] = text.split("\n");
  return { links: parseLinks(links), routes: parseRoutes(routes) };
}

/**
 * What `ip -j route get` says.
 * @returns undefined when the way leads nowhere
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

/** The entries that are understood. Others are of kinds that nobody here asks about. */
function each<S extends z.ZodMiniType, T>(
  json: string,
  schema: S,
  read: (entry: z.output<S>) => T | undefined,
): T[] {
  let entries: unknown;
  try {
    // Nothing to show is nothing at all for some versions.
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
