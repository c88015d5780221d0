import type { Candidate } from "../../../src/candidates/candidate.js";
import { parseEndpoint } from "../../../src/ip/endpoint.js";
import { parsePrefix } from "../../../src/ip/prefix.js";
import { DestinationBudget } from "../../../src/path/budget.js";
import type { Decision, Fact, View } from "../../../src/path/facts.js";
import { PathMachine } from "../../../src/path/machine.js";
import { tiersOf } from "../../../src/path/tiers.js";
import { type Nat, type Network, networkOf, Uplink } from "./network.js";
import { Queue } from "./queue.js";
import { randomOf } from "./random.js";
import { type Message, WireGuard } from "./wireguard.js";

/** One way through one network, from one host to the other. */
interface Link {
  isCut: boolean;
  /** From 0 to 1. */
  loss: number;
  delayMs: number;
  /** Drops WireGuard's data, and nothing else. */
  filtersData: boolean;
}

type Packet =
  | { readonly type: "probe"; readonly id: number; readonly view: View }
  | { readonly type: "answer"; readonly id: number; readonly view: View }
  | { readonly type: "wireguard"; readonly message: Message };

/** What a host says of itself, and what it heard last of the other one. */
interface Announce {
  readonly own: { readonly candidates: readonly Candidate[]; readonly boot: number };
  readonly seen: string;
}

/** A decision, for the histories of tests. */
export interface Done {
  readonly at: number;
  readonly decision: Decision;
}

export interface WorldOptions {
  readonly seed: number;
  /** The NATs of both hosts, by network; a network that is not named is not there. */
  readonly hosts: readonly [Partial<Record<Network, Nat>>, Partial<Record<Network, Nat>>];
  /** One way, ms. Default: 1, 5 and 10 in the LAN, over IPv6 and over IPv4. */
  readonly delays?: Partial<Record<Network, number>>;
  /** Each is told to one host at most every … ms. */
  readonly signalingMs?: number;
}

const LAN = parsePrefix("192.168.7.0/24");
const DELAYS: Readonly<Record<Network, number>> = { lan: 1, ipv6: 5, ipv4: 10 };
/** How often STUN servers are asked, ms. */
const STUN_MS = 25_000;
const WATCH_MS = 5_000;
const WATCH_SOON_MS = 250;
const WATCH_RARE_MS = 15_000;

/** One host: its machine, its WireGuard, its NATs, and what carries the machine's decisions out. */
export class Host {
  readonly index: 0 | 1;
  readonly uplinks: ReadonlyMap<Network, Uplink>;
  readonly world: World;
  machine: PathMachine;
  wireGuard: WireGuard;
  /** What the machine decided, oldest first. */
  readonly done: Done[] = [];
  steps = 0;
  isDown = false;
  hasTraffic = false;
  nextAt = 0;
  #watchAt = 0;
  #watchedAt = 0;
  #pingAt = 0;
  /** When STUN servers see another address than before. */
  #seenAt = Number.POSITIVE_INFINITY;
  readonly #asked = new Map<number, { path: string; at: number }>();
  /** What was last heard of the peer, and what was last said to it. */
  #heard = "";
  #said = "";
  #boots = 0;

  constructor(world: World, index: 0 | 1, nats: Partial<Record<Network, Nat>>) {
    this.world = world;
    this.index = index;
    this.uplinks = new Map(
      Object.entries(nats).map(([network, nat]) => [
        network as Network,
        new Uplink(index, network as Network, nat),
      ]),
    );
    this.machine = this.#boot();
    this.wireGuard = this.#startWireGuard();
  }

  get peer(): Host {
    return this.world.hosts[1 - this.index] as Host;
  }

  tell(fact: Fact): void {
    if (this.isDown) return;
    const { now } = this.world;
    this.steps++;
    const { decisions, nextAt } = this.machine.step(fact, now);
    this.nextAt = nextAt;
    for (const decision of decisions) {
      this.done.push({ at: now, decision });
      this.#carryOut(decision);
    }
    const { wants } = this.machine;
    if (wants === "soon") this.#watchAt = Math.min(this.#watchAt, now + WATCH_SOON_MS);
    // It is asked for once a second.
    if (wants === "usual")
      this.#watchAt = Math.min(this.#watchAt, Math.max(this.#watchedAt + WATCH_MS, now + 1_000));
  }

  /** The daemon begins anew; WireGuard goes on, or begins anew too. */
  restart(withWireGuard: boolean): void {
    this.machine = this.#boot();
    this.#heard = this.#said = "";
    this.#asked.clear();
    if (withWireGuard) this.wireGuard = this.#startWireGuard();
    this.isDown = false;
    this.watch();
    this.tell({ type: "time" });
  }

  /** It gets other addresses, and notices at once, or when it is seen from outside. */
  renumber(network: Network, isNoticed: boolean): void {
    this.uplinks.get(network)?.renumber();
    if (isNoticed) this.tell({ type: "network-changed" });
    else this.#seenAt = this.world.now + STUN_MS;
  }

  watch(): void {
    const { now } = this.world;
    const { endpoint, receivedBytes, sentBytes, handshakeAt } = this.wireGuard;
    this.#watchedAt = now;
    this.#watchAt = now + WATCH_RARE_MS;
    this.tell({ type: "wireguard", endpoint, receivedBytes, sentBytes, handshakeAt });
  }

  tick(): void {
    const { now } = this.world;
    if (now >= this.wireGuard.nextAt()) this.wireGuard.tick(now);
    if (this.hasTraffic && now >= this.#pingAt) {
      this.#pingAt = now + 1_000;
      this.wireGuard.send(96, true, now);
    }
    if (now >= this.#seenAt) {
      this.#seenAt = Number.POSITIVE_INFINITY;
      this.tell({ type: "own-candidates" });
    }
    if (now >= this.#watchAt) this.watch();
    if (now >= this.nextAt) this.tell({ type: "time" });
  }

  get dueAt(): number {
    const own = this.isDown ? Number.POSITIVE_INFINITY : Math.min(this.nextAt, this.#watchAt, this.#seenAt);
    return Math.min(own, this.wireGuard.nextAt(), this.hasTraffic ? this.#pingAt : Number.POSITIVE_INFINITY);
  }

  candidates(): Candidate[] {
    return [...this.uplinks.values()]
      .filter(({ nat }) => nat !== "blocked")
      .map(({ network, nat, announced }): Candidate => {
        const endpoint = parseEndpoint(announced);
        if (endpoint === undefined) throw new Error(announced);
        return { kind: network === "ipv4" && nat !== "open" ? "reflexive" : "host", endpoint, ageS: 0 };
      });
  }

  hear({ own, seen }: Announce): void {
    this.#heard = JSON.stringify(own);
    // It does not know what we said last.
    const wantsAnswer = seen !== this.#said;
    this.tell({ type: "candidates", candidates: own.candidates, isNews: true, wantsAnswer });
  }

  receive(packet: Packet, from: string): void {
    const { now } = this.world;
    if (packet.type === "wireguard") {
      if (this.wireGuard.receive(packet.message, from, now)) this.wireGuard.send(96, false, now);
    } else if (this.isDown) {
      return;
    } else if (packet.type === "probe") {
      this.tell({ type: "probed", path: from, view: packet.view });
      this.world.send(this, from, { type: "answer", id: packet.id, view: this.machine.view(from, now) });
    } else {
      const asked = this.#asked.get(packet.id);
      this.#asked.delete(packet.id);
      if (asked?.path !== from) return;
      this.tell({ type: "answered", path: from, roundTripMs: now - asked.at, view: packet.view });
    }
  }

  #boot(): PathMachine {
    this.#boots++;
    return new PathMachine({
      isDecider: this.index === 0,
      tierOf: tiersOf(LAN === undefined ? [] : [LAN]),
      destinations: new DestinationBudget(),
      random: this.world.random,
    });
  }

  #startWireGuard(): WireGuard {
    return new WireGuard(this.world.id(), this.world.random, (to, message) => {
      this.world.send(this, to, { type: "wireguard", message });
    });
  }

  #carryOut(decision: Decision): void {
    const { now } = this.world;
    if (decision.type === "use") this.wireGuard.use(decision.path, decision.isFresh, now);
    else if (decision.type === "announce") {
      const own = { candidates: this.candidates(), boot: this.#boots };
      this.#said = JSON.stringify(own);
      this.world.announce(this, { own, seen: this.#heard });
    } else if (decision.type === "probe") {
      for (const { path, view } of decision.probes) {
        const id = this.world.id();
        this.#asked.set(id, { path, at: now });
        if (this.#asked.size > 64) this.#asked.delete(this.#asked.keys().next().value ?? 0);
        this.world.send(this, path, { type: "probe", id, view });
      }
    }
  }
}

/** Two hosts, the networks between them, and a clock: all that happens follows from the seed and what a test does. */
export class World {
  now = 0;
  hasBrokers = true;
  readonly random: () => number;
  readonly hosts: readonly [Host, Host];
  readonly #links = new Map<string, Link>();
  readonly #queue = new Queue<() => void>();
  readonly #delays: Readonly<Record<Network, number>>;
  readonly #signalingMs: number;
  #ids = 0;
  #droppedUntil = Number.NEGATIVE_INFINITY;

  constructor({ seed, hosts, delays, signalingMs = 100 }: WorldOptions) {
    this.random = randomOf(seed);
    this.#delays = { ...DELAYS, ...delays };
    this.#signalingMs = signalingMs;
    this.hosts = [new Host(this, 0, hosts[0]), new Host(this, 1, hosts[1])];
  }

  id(): number {
    return ++this.#ids;
  }

  /** The way from a host through a network, to be made worse or better. */
  link(from: 0 | 1, network: Network): Link {
    const key = `${from} ${network}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { isCut: false, loss: 0, delayMs: this.#delays[network], filtersData: false };
      this.#links.set(key, link);
    }
    return link;
  }

  send(host: Host, to: string, packet: Packet): void {
    const network = networkOf(to);
    const uplink = host.uplinks.get(network);
    const far = host.peer.uplinks.get(network);
    const link = this.link(host.index, network);
    if (uplink === undefined || uplink.nat === "blocked") return;
    const from = uplink.send(to, this.now);
    const isData = packet.type === "wireguard" && packet.message.type === "data";
    if (far === undefined || !far.owns(to) || link.isCut || (isData && link.filtersData)) return;
    if (link.loss > 0 && this.random() < link.loss) return;
    const sentAt = this.now;
    this.#queue.push(this.now + link.delayMs, () => {
      if (packet.type === "wireguard" && sentAt <= this.#droppedUntil) return;
      if (far.owns(to) && far.accepts(from, to, this.now)) host.peer.receive(packet, from);
    });
  }

  /** What WireGuard has sent and was not received yet is lost. */
  dropWireGuardOnWay(): void {
    this.#droppedUntil = this.now;
  }

  announce(host: Host, announce: Announce): void {
    if (!this.hasBrokers) return;
    this.#queue.push(this.now + this.#signalingMs, () => host.peer.hear(announce));
  }

  /** Lets time pass until this, and everything happen that belongs to it. */
  runUntil(until: number): void {
    for (;;) {
      const [a, b] = this.hosts;
      const next = Math.min(this.#queue.nextAt, a.dueAt, b.dueAt);
      if (next > until) break;
      this.now = Math.max(this.now, next);
      if (this.#queue.nextAt <= this.now) this.#queue.pop()?.();
      else for (const host of this.hosts) if (host.dueAt <= this.now) host.tick();
    }
    this.now = until;
  }

  /** Lets time pass until something holds. @returns when that was, ms; undefined when it was not by then */
  runTill(holds: () => boolean, until: number, stepMs = 10): number | undefined {
    while (!holds() && this.now < until) this.runUntil(Math.min(until, this.now + stepMs));
    return holds() ? this.now : undefined;
  }

  /** WireGuard's packets pass in both directions now. */
  get isConnected(): boolean {
    const [a, b] = this.hosts;
    return this.#reaches(a) && this.#reaches(b) && a.wireGuard.sharesSessionWith(b.wireGuard, this.now);
  }

  #reaches(host: Host): boolean {
    const to = host.wireGuard.endpoint;
    if (to === undefined) return false;
    const network = networkOf(to);
    const uplink = host.uplinks.get(network);
    const far = host.peer.uplinks.get(network);
    const { isCut, filtersData } = this.link(host.index, network);
    if (uplink === undefined || far === undefined || isCut || filtersData || uplink.nat === "blocked")
      return false;
    return far.owns(to) && far.accepts(uplink.send(to, this.now), to, this.now);
  }
}
