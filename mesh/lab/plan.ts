/** Turns a description into what every node of the lab has: devices, addresses, routes and rules. Does nothing. */
import {
  checkDescription,
  type Family,
  type HostOptions,
  INTERNET,
  type LabDescription,
  type NatOptions,
} from "./description.js";
import { leakRules } from "./leaks.js";
import type { Settings } from "./namespace.js";
import { type Box, natRules, TIMEOUTS } from "./nat-rules.js";

/** A link from a node up to the outside, and how to bring it up again after it was down. */
export interface Uplink {
  readonly node: string;
  /** The device in the node. */
  readonly device: string;
  /** The node at the other end, and its device. */
  readonly parent: string;
  readonly port: string;
  /** Addresses of the node there, without length. */
  readonly addresses4: readonly string[];
  readonly address6: string | undefined;
  readonly gateway4: string;
  readonly gateway6: string;
  /** Lines for `ip -batch` that bring it up. */
  readonly up: readonly string[];
}

export interface NodePlan extends Settings {
  readonly name: string;
  /** Links to the outside, the first one preferred. */
  readonly uplinks: readonly Uplink[];
}

export interface BoxPlan extends NodePlan {
  readonly box: Box;
  readonly portMapping: boolean;
}

/** Where a server is. */
export interface ServerAddress {
  readonly IPv4?: string;
  readonly IPv6?: string;
}

export interface Plan {
  readonly middle: NodePlan;
  readonly nats: readonly BoxPlan[];
  readonly hosts: readonly NodePlan[];
  readonly stun: readonly ServerAddress[];
  readonly brokers: readonly ServerAddress[];
  readonly turn: ServerAddress | undefined;
  /** An outside IPv4 address that nobody has; another one for each number. */
  spareAddress(number: number): string;
}

/** The outside of everything in IPv4, with which outside links reach the middle. */
export const GATEWAY = "203.0.113.254";

/** Neighbours on a link to the outside. */
const [UPPER, LOWER] = ["fe80::1", "fe80::2"];

/** Of the first uplink; each further one has 1 more. */
const METRIC = 100;

type Sysctls = NonNullable<Settings["sysctls"]>;

const has4 = (family: Family): boolean => family !== "IPv6";
const has6 = (family: Family): boolean => family !== "IPv4";

/** Whatever the machine's defaults are; and an IPv6 address is there at once, not after a second of asking for it. */
const SYSCTLS: Sysctls = [
  ["net/ipv4/conf/*/rp_filter", 0],
  ["net/ipv6/conf/*/accept_dad", 0],
  ["net/ipv6/conf/*/accept_ra", 0],
];

const FORWARDING: Sysctls = [
  ["net/ipv4/ip_forward", 1],
  ["net/ipv6/conf/all/forwarding", 1],
];

/** A LAN, and who is in it. */
interface Lan {
  /** From 1; no other has it. */
  readonly index: number;
  readonly family: Family;
  /** The IPv4 network: its first address, and its length. */
  readonly base: string;
  readonly bits: number;
  /** The IPv6 network, and what its addresses begin with. */
  readonly start6: string;
  /** IPv4 addresses of its members. */
  readonly members: string[];
  /** Lines for `ip -batch` in the box: ports of its bridge, and routes further in. */
  readonly lines: string[];
}

export function plan(description: LabDescription): Plan {
  checkDescription(description);
  return new Planner(description).plan();
}

class Planner {
  readonly #description: LabDescription;
  readonly #family: Family;
  readonly #lans = new Map<string, Lan>();
  readonly #wans = new Map<string, Uplink>();
  /** Lines for `ip -batch` in the middle. */
  readonly #middle: string[] = ["link set lo up", `addr add ${GATEWAY}/32 dev lo`];
  #outsideLinks = 0;
  #openLans = 0;

  constructor(description: LabDescription) {
    this.#description = description;
    this.#family = description.family ?? "IPv4";
  }

  plan(): Plan {
    const { nats = {}, hosts, overlay = [] } = this.#description;
    const boxes = outerFirst(nats).map(([name, options]) => this.#link(name, options));
    const hostPlans = Object.entries(hosts).map(([name, options]) => this.#host(name, options));
    // A box knows who is behind it when all have been placed.
    const natPlans = boxes.map(([name, options]) => this.#nat(name, options));
    const servers = this.#servers();
    const middle: NodePlan = {
      name: INTERNET,
      uplinks: [],
      sysctls: [...SYSCTLS, ...FORWARDING],
      ip: this.#middle,
      nft: leakRules(overlay, "middle"),
    };
    return {
      middle,
      nats: natPlans,
      hosts: hostPlans,
      ...servers,
      spareAddress: (n) => outsideAddress(120 + n),
    };
  }

  /** Places a NAT box. */
  #link(name: string, options: NatOptions): [string, NatOptions] {
    const { behind = INTERNET, kind, addresses = 1, portMapping = false } = options;
    const family = options.family ?? (behind === INTERNET ? this.#family : this.#lan(behind).family);
    const wan =
      behind === INTERNET
        ? this.#outside(
            name,
            "wan",
            family,
            addresses,
            METRIC,
            portMapping ? mappableAddress : outsideAddress,
          )
        : this.#inside(name, "wan", behind, METRIC);
    this.#wans.set(name, wan);
    const lan = this.#makeLan(name, options, family);
    this.#lans.set(name, lan);
    if (has6(family)) this.#routeInto(`${lan.start6}/64`, wan);
    const [address] = wan.addresses4;
    if (kind === "open" && address !== undefined)
      this.#middle.push(`route add ${lan.base}/${lan.bits} via ${address} dev ${wan.port} onlink`);
    return [name, options];
  }

  #makeLan(name: string, { kind, lan }: NatOptions, family: Family): Lan {
    const { nats = {} } = this.#description;
    const index = this.#lans.size + 1;
    const isOuter = Object.values(nats).some(({ behind }) => behind === name);
    const network =
      lan ??
      (kind === "open"
        ? `192.0.2.${16 * this.#openLans++}/28`
        : isOuter
          ? `100.64.${index}.0/24`
          : `192.168.${index}.0/24`);
    const [base = "", bits] = network.split("/");
    return {
      index,
      family,
      base,
      bits: Number(bits),
      start6: `2001:db8:${index.toString(16)}::`,
      members: [],
      lines: [],
    };
  }

  /** Routes an IPv6 network from the middle to the box whose link this is. */
  #routeInto(network: string, wan: Uplink): void {
    if (wan.parent === INTERNET) {
      this.#middle.push(`route add ${network} via ${LOWER} dev ${wan.port}`);
      return;
    }
    this.#lan(wan.parent).lines.push(`route add ${network} via ${wan.address6} dev lan`);
    const outer = this.#wans.get(wan.parent);
    if (outer !== undefined) this.#routeInto(network, outer);
  }

  /** A link to the middle. */
  #outside(
    node: string,
    device: string,
    family: Family,
    count: number,
    metric: number,
    addressOf: (number: number) => string = outsideAddress,
  ): Uplink {
    const number = this.#outsideLinks++;
    if (number >= 60) throw new Error("lab: more than 60 links to the outside");
    const port = `o${number}`;
    const addresses4 = has4(family)
      ? Array.from({ length: count }, (_, i) => addressOf(number + 60 * i))
      : [];
    const address6 = has6(family) ? `2001:db8:fe::${(number + 1).toString(16)}` : undefined;
    this.#middle.push(`link set ${port} up`, `addr add ${UPPER}/64 dev ${port} nodad`);
    for (const address of addresses4) this.#middle.push(`route add ${address}/32 dev ${port}`);
    if (address6 !== undefined) this.#middle.push(`route add ${address6}/128 via ${LOWER} dev ${port}`);
    const up = [`link set ${device} up`, `addr add ${LOWER}/64 dev ${device} nodad`];
    for (const address of addresses4) up.push(`addr add ${address}/32 dev ${device}`);
    if (addresses4.length > 0) up.push(...routesOut(GATEWAY, device, metric));
    if (address6 !== undefined)
      up.push(`addr add ${address6}/128 dev ${device} nodad`, defaultRoute(UPPER, device, metric));
    const gateways = { gateway4: GATEWAY, gateway6: UPPER };
    return { node, device, parent: INTERNET, port, addresses4, address6, up, ...gateways };
  }

  /** A link to the LAN of a box. */
  #inside(node: string, device: string, parent: string, metric: number): Uplink {
    const { family, base, bits, start6, members, lines } = this.#lan(parent);
    const number = members.length + 2;
    if (number > 14) throw new Error(`lab: more than 13 in the LAN of ${parent}`);
    const port = `l${members.length}`;
    const address = plus(base, number);
    const gateway4 = plus(base, 1);
    members.push(address);
    lines.push(`link set ${port} master lan up`);
    const address6 = has6(family) ? `${start6}${number.toString(16)}` : undefined;
    const up = [`link set ${device} up`];
    if (has4(family))
      up.push(
        `addr add ${address}/${bits} dev ${device} metric ${metric}`,
        defaultRoute(gateway4, device, metric),
      );
    if (address6 !== undefined)
      up.push(
        `addr add ${address6}/64 dev ${device} nodad metric ${metric}`,
        `addr add fe80::${number.toString(16)}/64 dev ${device} nodad`,
        defaultRoute(UPPER, device, metric),
      );
    const addresses4 = has4(family) ? [address] : [];
    return { node, device, parent, port, addresses4, address6, up, gateway4, gateway6: UPPER };
  }

  #host(name: string, { behind = INTERNET, down = [], sourceRules = false, family }: HostOptions): NodePlan {
    const rules: string[] = [];
    const uplinks = [behind].flat().map((parent, i) => {
      const [device, metric] = [`eth${i}`, METRIC + i];
      const uplink =
        parent === INTERNET
          ? this.#outside(name, device, family ?? this.#family, 1, metric)
          : this.#inside(name, device, parent, metric);
      if (!sourceRules) return uplink;
      const own = [
        ...uplink.addresses4.map((address) => ({ address, gateway: uplink.gateway4 })),
        ...(uplink.address6 === undefined ? [] : [{ address: uplink.address6, gateway: uplink.gateway6 }]),
      ];
      for (const { address } of own) rules.push(`rule add from ${address} lookup ${metric}`);
      const routes = own.map(
        ({ gateway }) => `route add default via ${gateway} dev ${device} table ${metric}`,
      );
      return { ...uplink, up: [...uplink.up, ...routes] };
    });
    const up = uplinks.filter(({ device }) => !down.includes(device));
    return {
      name,
      uplinks,
      sysctls: SYSCTLS,
      ip: ["link set lo up", ...up.flatMap((uplink) => uplink.up), ...rules.filter((rule) => !isIPv6(rule))],
      ip6: rules.filter(isIPv6),
    };
  }

  #nat(name: string, options: NatOptions): BoxPlan {
    const { kind, stray = "drop", hairpin = false, timeouts = TIMEOUTS, portMapping = false } = options;
    const { overlay = [] } = this.#description;
    const lan = this.#lan(name);
    const wan = this.#wans.get(name);
    if (wan === undefined) throw new Error(`lab: ${name} is not linked`);
    const box: Box = {
      kind,
      stray,
      hairpin,
      keepsPorts: portMapping,
      outside: wan.addresses4,
      lan: `${lan.base}/${lan.bits}`,
      inside: lan.members,
      timeouts,
    };
    const ip = [
      "link set lo up",
      "link add lan type bridge mcast_snooping 0",
      `addr add ${UPPER}/64 dev lan nodad`,
      ...(has4(lan.family) ? [`addr add ${plus(lan.base, 1)}/${lan.bits} dev lan`] : []),
      ...(has6(lan.family) ? [`addr add ${lan.start6}1/64 dev lan nodad`] : []),
      "link set lan up",
      ...wan.up,
      ...lan.lines,
    ];
    const sysctls: Sysctls = [
      ...SYSCTLS,
      ...FORWARDING,
      ["net/netfilter/nf_conntrack_udp_timeout", timeouts.unreplied],
      ["net/netfilter/nf_conntrack_udp_timeout_stream", timeouts.stream],
    ];
    return {
      name,
      uplinks: [wan],
      sysctls,
      ip,
      nft: `${natRules(box)}\n${leakRules(overlay, "box")}`,
      box,
      portMapping,
    };
  }

  /** Gives the middle the addresses of its servers. */
  #servers(): Pick<Plan, "stun" | "turn" | "brokers"> {
    const { hosts, stun = false, turn = false, brokers = 0 } = this.#description;
    const families = [
      ...[...this.#lans.values()].map(({ family }) => family),
      ...Object.values(hosts).map(({ family = this.#family }) => family),
    ];
    const [any4, any6] = [families.some(has4), families.some(has6)];
    const at = (number: number): ServerAddress => {
      const address = {
        ...(any4 ? { IPv4: `203.0.113.${number}` } : {}),
        ...(any6 ? { IPv6: `2001:db8:ffff::${number}` } : {}),
      };
      if (any4) this.#middle.push(`addr add ${address.IPv4}/32 dev lo`);
      if (any6) this.#middle.push(`addr add ${address.IPv6}/128 dev lo nodad`);
      return address;
    };
    return {
      stun: stun ? [at(1), at(2)] : [],
      turn: turn ? at(3) : undefined,
      brokers: Array.from({ length: brokers }, (_, i) => at(11 + i)),
    };
  }

  #lan(name: string): Lan {
    const lan = this.#lans.get(name);
    if (lan === undefined) throw new Error(`lab: there is no LAN of ${name}`);
    return lan;
  }
}

/** NAT boxes, each after the one that it is behind. */
function outerFirst(nats: Readonly<Record<string, NatOptions>>): [string, NatOptions][] {
  const depth = (name: string | undefined): number => {
    let count = 0;
    for (let outer = name; outer !== undefined; outer = nats[outer]?.behind)
      if (++count > 10) throw new Error(`lab: ${name} is behind itself, or behind too many`);
    return count;
  };
  const depths = new Map(Object.keys(nats).map((name) => [name, depth(name)]));
  return Object.entries(nats).toSorted(([a], [b]) => (depths.get(a) ?? 0) - (depths.get(b) ?? 0));
}

function outsideAddress(number: number): string {
  if (number > 243) throw new Error("lab: there are too many outside addresses");
  return `198.51.100.${10 + number}`;
}

/** miniupnpd maps no port of an address that is set aside for documentation. */
function mappableAddress(number: number): string {
  return `11.22.33.${10 + number}`;
}

function routesOut(gateway: string, device: string, metric: number): string[] {
  return [`route add ${gateway}/32 dev ${device} metric ${metric}`, defaultRoute(gateway, device, metric)];
}

function defaultRoute(gateway: string, device: string, metric: number): string {
  return `route add default via ${gateway} dev ${device} metric ${metric}`;
}

function isIPv6(line: string): boolean {
  return line.includes(":");
}

/** An IPv4 address some numbers further. */
function plus(address: string, number: number): string {
  const bytes = address.split(".").map(Number);
  return [...bytes.slice(0, 3), (bytes[3] ?? 0) + number].join(".");
}
