import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Identity, Router, type SmartPipe } from "../../src/index.js";
import type { Counts } from "./ledger.js";
import { cheapIdentity, network } from "./memory-network.js";
import { inboxes, outboxes, windows } from "./registry.js";
import { macrotask, type VirtualClock } from "./virtual-clock.js";

const SECOND_MS = 1000;
export const MINUTE_MS: number = 60 * SECOND_MS;
export const HOUR_MS: number = 60 * MINUTE_MS;

/** Mean pauses: of one peer between two sends, and of the world between two of the other. */
const SEND_EVERY_MS = 5 * MINUTE_MS;
const BROKER_FAILS_EVERY_MS = 15 * MINUTE_MS;
const PEER_LEAVES_EVERY_MS = 15 * MINUTE_MS;

/** The longest that a broker is down, and how many may be down at a time. */
const BROKER_DOWN_MS = 15 * MINUTE_MS;
const MAX_DOWN = 8;

/** How long a peer that left is away. */
const PEER_AWAY_MS = 5 * MINUTE_MS;

/** How many others a peer writes to. */
const FRIENDS = 8;

/** Until every broker is back, what is idle is closed, and what is old is forgotten. */
const CALM_MS: number = 45 * MINUTE_MS;

/** A pipe, and what became of its messages. */
interface Line {
  readonly id: number;
  readonly pipe: SmartPipe;
  readonly from: Peer;
  readonly to: Peer;
  sent: number;
  /** The latest message shown, and those before it that were not. */
  last: number;
  readonly missing: Set<number>;
  /** Acknowledged and not shown yet. */
  readonly owed: Set<number>;
}

interface Peer {
  readonly identity: Identity;
  readonly router: Router;
  /** Its latest pipe to each other peer. */
  readonly lines: Map<Peer, Line>;
  up: boolean;
}

/** What happens at a time; nothing where that is only the end. */
interface Happening {
  readonly at: number;
  readonly happen: (() => void) | undefined;
}

/** What there is. */
export interface State {
  readonly peers: number;
  readonly timers: number;
  readonly links: number;
  /** Brokers that routers know of. */
  readonly slots: number;
  /** Routers that are in memory, closed ones included. */
  readonly routers: number;
  /** Blocks in replay windows. */
  readonly remembered: number;
  readonly queues: number;
  readonly held: number;
  readonly inFlight: number;
  readonly heapMb: number;
}

/** A population of peers whose messages are counted, in simulated time. */
export class World {
  /** Messages between peers that stayed, and how many of them were acknowledged. */
  readonly stayed = { sent: 0, acknowledged: 0 };
  /** How often brokers failed and peers left. */
  readonly churn = { brokers: 0, peers: 0 };
  readonly #clock: VirtualClock;
  readonly #random: () => number;
  readonly #peers: Peer[] = [];
  readonly #lines = new Map<number, Line>();
  readonly #happenings: Happening[] = [];
  readonly #counts = { sent: 0, acknowledged: 0, shown: 0, lost: 0, doubled: 0, outOfOrder: 0 };
  #lineCount = 0;
  /** Sends, starts and closes that are under way. */
  #working = 0;
  /** Which restless time it is; 0 in calm ones. */
  #season = 0;
  #seasons = 0;

  constructor(clock: VirtualClock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get counts(): Counts {
    let { lost } = this.#counts;
    for (const { owed } of this.#lines.values()) lost += owed.size;
    return { ...this.#counts, lost };
  }

  async populate(peers: number, brokers: number): Promise<void> {
    for (let i = 0; i < brokers; i++) network.add(`broker${i}.example`);
    for (let i = 0; i < peers; i++) this.#join(cheapIdentity());
    await this.#pass(MINUTE_MS);
  }

  /** Messages, failing brokers and changing peers until shortly before this time; calm when it comes. */
  async liveUntil(at: number): Promise<void> {
    const season = ++this.#seasons;
    this.#season = season;
    this.#repeat(season, SEND_EVERY_MS / this.#peers.length, () => this.#send());
    this.#repeat(season, BROKER_FAILS_EVERY_MS, () => this.#failBroker());
    this.#repeat(season, PEER_LEAVES_EVERY_MS, () => this.#changePeer());
    await this.#pass(at - CALM_MS - this.#clock.now);
    this.#season = 0;
    await this.#pass(at - this.#clock.now);
  }

  /** Everybody leaves. */
  async end(): Promise<void> {
    for (const peer of this.#peers.splice(0)) this.#leave(peer);
    await this.#pass(MINUTE_MS);
  }

  async observe(): Promise<State> {
    // What a finalizer or a weak reference still holds goes with the second.
    for (let i = 0; i < 2; i++) {
      await macrotask();
      collectGarbage();
    }
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
    return {
      peers: this.#peers.length,
      timers: this.#clock.timers,
      links: network.sessions,
      slots: sum(this.#peers.map(({ router }) => router.stats().brokers.length)),
      routers: windows.all().length,
      remembered: sum(windows.all().map(({ size }) => size)),
      queues: sum(inboxes.all().map(({ queues }) => queues)),
      held: sum(inboxes.all().map(({ held }) => held)),
      inFlight: sum(outboxes.all().map(({ size }) => size)),
      heapMb: process.memoryUsage().heapUsed / 2 ** 20,
    };
  }

  async #pass(ms: number): Promise<void> {
    const end = this.#clock.now + ms;
    for (;;) {
      const next = this.#happenings.reduce<Happening>(
        (earliest, event) => (event.at < earliest.at ? event : earliest),
        { at: end, happen: undefined },
      );
      await this.#clock.passUntil(next.at, () => this.#working > 0 || network.pending > 0);
      if (next.happen === undefined) return;
      this.#happenings.splice(this.#happenings.indexOf(next), 1);
      next.happen();
    }
  }

  #repeat(season: number, everyMs: number, happen: () => void): void {
    const again = (): void => {
      if (season !== this.#season) return;
      happen();
      this.#repeat(season, everyMs, happen);
    };
    this.#in(-Math.log(1 - this.#random()) * everyMs, again);
  }

  #in(ms: number, happen: () => void): void {
    this.#happenings.push({ at: this.#clock.now + ms, happen });
  }

  #pick<T>(from: readonly T[]): T {
    const picked = from[Math.floor(this.#random() * from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  #join(identity: Identity): void {
    const router = new Router(identity, {
      getTime: () => this.#clock.wall,
      brokers: network.pool,
      families: ["IPv4"],
      verify: () => true,
    });
    router.on("message", (message) => this.#shown(message.text()));
    this.#peers.push({ identity, router, lines: new Map(), up: true });
    this.#work(router.start());
  }

  #leave(peer: Peer): void {
    peer.up = false;
    this.#work(peer.router.close());
    this.#in(10 * SECOND_MS, () => {
      peer.lines.clear();
      for (const other of this.#peers) other.lines.delete(peer);
      for (const line of this.#lines.values()) {
        if (line.from === peer || line.to === peer) this.#forget(line);
      }
    });
  }

  /** One leaves; another comes a while later, or the same one again. */
  #changePeer(): void {
    this.churn.peers++;
    const peer = this.#pick(this.#peers);
    this.#peers.splice(this.#peers.indexOf(peer), 1);
    this.#leave(peer);
    const identity = this.#random() < 0.5 ? peer.identity : cheapIdentity();
    this.#in(PEER_AWAY_MS, () => this.#join(identity));
  }

  #failBroker(): void {
    if (network.down >= MAX_DOWN) return;
    this.churn.brokers++;
    const host = this.#pick(network.hosts);
    network.set(host, false);
    this.#in(BROKER_DOWN_MS * this.#random(), () => network.set(host, true));
  }

  #send(): void {
    const from = this.#pick(this.#peers);
    const others = this.#peers.filter((peer) => peer !== from);
    const friends = others.filter((peer) => from.lines.has(peer));
    this.#work(this.#sendFrom(from, this.#pick(friends.length < FRIENDS ? others : friends)));
  }

  async #sendFrom(from: Peer, to: Peer): Promise<void> {
    const line = await this.#line(from, to);
    const number = line.sent++;
    this.#counts.sent++;
    const acknowledged = (await line.pipe.send(`${line.id} ${number}`)) > 0;
    if (acknowledged) this.#counts.acknowledged++;
    if (acknowledged && (number > line.last || line.missing.has(number))) line.owed.add(number);
    if (!from.up || !to.up) return;
    this.stayed.sent++;
    if (acknowledged) this.stayed.acknowledged++;
  }

  /** The pipe that was used before; now and then a new one. */
  async #line(from: Peer, to: Peer): Promise<Line> {
    const known = from.lines.get(to);
    if (known !== undefined && this.#random() > 1 / 8) return known;
    const pipe = await from.router.pipe(to.router.address);
    if (known !== undefined) {
      known.pipe.close();
      this.#in(10 * SECOND_MS, () => this.#forget(known));
    }
    const id = this.#lineCount++;
    const line: Line = { id, pipe, from, to, sent: 0, last: -1, missing: new Set(), owed: new Set() };
    from.lines.set(to, line);
    this.#lines.set(id, line);
    return line;
  }

  #forget(line: Line): void {
    if (this.#lines.delete(line.id)) this.#counts.lost += line.owed.size;
  }

  #shown(text: string): void {
    const [id = -1, number = -1] = text.split(" ").map(Number);
    const line = this.#lines.get(id);
    if (line === undefined) return;
    this.#counts.shown++;
    line.owed.delete(number);
    if (number > line.last) {
      for (let skipped = line.last + 1; skipped < number; skipped++) line.missing.add(skipped);
      line.last = number;
    } else if (line.missing.delete(number)) this.#counts.outOfOrder++;
    else this.#counts.doubled++;
  }

  #work(work: Promise<unknown>): void {
    this.#working++;
    // Who is leaving or alone may fail; what that does to messages is counted.
    work.catch(() => {}).finally(() => this.#working--);
  }
}

setFlagsFromString("--expose-gc");
// What the flag above makes there be.
const collectGarbage = runInNewContext("gc") as () => void;
