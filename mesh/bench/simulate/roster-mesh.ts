import type { Random } from "../../../bench/simulate/random.js";
import { sum } from "../../../bench/simulate/statistics.js";
import { COMPARE_MS, Sync } from "../../src/membership/sync.js";
import type { Roster } from "../../src/roster/roster.js";
import { bytesOf, keyOf, signerOf } from "../../test/support/roster.js";
import { BROKER_JITTER_MS, BROKER_MS, type BrokerCosts, BrokerTurns, GIVEN_UP_MS } from "./brokers.js";
import { fieldsOf, nameOf, RosterVersions, rosterOf } from "./roster-versions.js";
import { Timeline } from "./timeline.js";
import { PROBE_BYTES, Traffic, told } from "./traffic.js";

/** What the network between the members is like. */
export interface Conditions {
  /** The share of datagrams that are lost. */
  readonly loss: number;
  /** The share of the members that are not there. */
  readonly offline: number;
  /** Whether tunnels lead from each to each; else there are the brokers alone. */
  readonly hasPaths: boolean;
}

/** What the admin says: a member is removed, or one more is admitted. */
export type Change = "remove" | "admit";

/** One way between two members, ms: from this on, and so much more by chance. Our own choice. */
const PATH_MS = 10;
const PATH_JITTER_MS = 50;
/** When the prober sends again what it tells, and when it gives up, ms. */
const TOLD_AT_MS: readonly number[] = [0, 250, 750, 1750];
const TOLD_UNTIL_MS = 3750;
/** What was taken is written to the disk before it is passed on, ms. */
const DISK_MS = 5;
/** How many members a start asks besides the admins, as membership has it. */
const ASKED_AT_START = 8;

/** A member. */
export interface RosterHost {
  readonly name: string;
  readonly sync: Sync;
  readonly turns: BrokerTurns;
  readonly sent: Traffic;
  roster: Roster;
  isOnline: boolean;
  /** When it knew of the change, ms. */
  knewAt: number | undefined;
}

/** What all members have sent. */
export interface RosterSent {
  readonly datagrams: number;
  readonly bytes: number;
  readonly overBrokers: number;
  /** Of the messages over the brokers, without ACKs. */
  readonly publishes: number;
}

/**
 * Members of one network that compare their rosters, by the real code of it. Those that know the same share one roster in
 * memory: what comes of statements is computed once for all.
 */
export class RosterMesh {
  readonly timeline: Timeline = new Timeline();
  /** The first is the admin, the last is whoever is removed or admitted. */
  readonly hosts: readonly RosterHost[];
  readonly #conditions: Conditions;
  readonly #change: Change;
  readonly #random: Random;
  readonly #versions = new RosterVersions();
  readonly #byName = new Map<string, RosterHost>();

  constructor(members: number, change: Change, conditions: Conditions, costs: BrokerCosts, random: Random) {
    this.#conditions = conditions;
    this.#change = change;
    this.#random = random;
    const roster = rosterOf(change === "admit" ? members - 1 : members);
    this.hosts = Array.from({ length: members }, (_, i) => {
      const host: RosterHost = {
        ...{ name: keyOf(nameOf(i)), roster, turns: new BrokerTurns(costs), sent: new Traffic() },
        sync: this.#syncOf(() => host),
        isOnline: i === 0 || i === members - 1 || random.next() >= conditions.offline,
        knewAt: undefined,
      };
      this.#byName.set(host.name, host);
      this.#compareFrom(host, random.next() * COMPARE_MS);
      return host;
    });
  }

  /** The admin says it. */
  change(): void {
    const [admin] = this.hosts;
    const subject = this.hosts.at(-1);
    if (admin === undefined || subject === undefined) return;
    const index = this.hosts.length - 1;
    const roster = this.#versions.copyOf(admin.roster);
    const kind = this.#change === "remove" ? "remove" : "member";
    const fields = this.#change === "remove" ? {} : fieldsOf(index);
    const entry = roster.write(signerOf(nameOf(0)), kind, bytesOf(nameOf(index)), fields, 1);
    if (entry === undefined) throw new Error("the roster has no room");
    this.#learn(admin, this.#versions.same(roster));
    // Who joins gets the roster from the admin; who is removed is told nothing.
    if (this.#change === "admit") this.#learn(subject, admin.roster);
    admin.sync.push([entry]);
  }

  /** Those that were not there start, and ask whom membership asks. @returns who they are */
  comeBack(): RosterHost[] {
    const [admin] = this.hosts;
    const away = this.hosts.filter(({ isOnline }) => !isOnline);
    for (const host of away) {
      host.isOnline = true;
      const asked = Array.from(
        { length: ASKED_AT_START },
        () => this.hosts[this.#random.below(this.hosts.length)],
      );
      for (const one of [admin, ...asked])
        if (one !== undefined && one !== host) host.sync.greet(one.name, "brokers");
    }
    return away;
  }

  /** What all have sent so far. */
  sent(): RosterSent {
    return {
      datagrams: sum(this.hosts.map(({ sent }) => sent.messages)),
      bytes: sum(this.hosts.map(({ sent }) => sent.bytes)),
      overBrokers: sum(this.hosts.map(({ turns }) => turns.messages)),
      publishes: sum(this.hosts.map(({ turns }) => turns.publishes)),
    };
  }

  #learn(host: RosterHost, roster: Roster): void {
    host.roster = roster;
    host.knewAt = this.timeline.now;
  }

  #compareFrom(host: RosterHost, afterMs: number): void {
    this.timeline.after(afterMs, () => {
      if (host.isOnline) host.sync.compare();
      this.#compareFrom(host, COMPARE_MS);
    });
  }

  #syncOf(self: () => RosterHost): Sync {
    return new Sync({
      now: () => this.timeline.now,
      random: () => this.#random.next(),
      roster: () => self().roster,
      others: () => this.#versions.members(self().roster).filter((name) => name !== self().name),
      tellOnPath: (name, bytes) => this.#tellOnPath(self(), this.#byName.get(name), bytes),
      tellOverBrokers: (name, bytes) => this.#tellOverBrokers(self(), this.#byName.get(name), bytes),
      take: (_, statements) => this.#take(self(), statements),
      onSummary: () => {},
      onLevel: () => {},
      onForeign: () => {},
    });
  }

  /** As membership does it. */
  #take(host: RosterHost, statements: readonly Uint8Array[]): void {
    const roster = this.#versions.with(host.roster, statements);
    if (roster === host.roster) return;
    this.#learn(host, roster);
    this.timeline.after(DISK_MS, () => host.sync.passOn());
  }

  #tellOnPath(from: RosterHost, to: RosterHost | undefined, bytes: Uint8Array): Promise<boolean> | undefined {
    if (to === undefined || !this.#conditions.hasPaths || !from.isOnline || !to.isOnline) return undefined;
    return this.#tell(from, to, bytes);
  }

  /** As the prober does it. */
  async #tell(from: RosterHost, to: RosterHost, bytes: Uint8Array): Promise<boolean> {
    const size = told(bytes.length);
    let isTold = false;
    for (const [i, at] of TOLD_AT_MS.entries()) {
      if (isTold) break;
      from.sent.add(size);
      if (!this.#isLost())
        this.timeline.after(this.#passage(), () => {
          to.sync.hear(from.name, bytes, "path");
          to.sent.add(PROBE_BYTES);
          if (!this.#isLost())
            this.timeline.after(this.#passage(), () => {
              isTold = true;
            });
        });
      await this.timeline.wait((TOLD_AT_MS[i + 1] ?? TOLD_UNTIL_MS) - at);
    }
    return isTold;
  }

  async #tellOverBrokers(from: RosterHost, to: RosterHost | undefined, bytes: Uint8Array): Promise<boolean> {
    const { now } = this.timeline;
    const isPresent = to?.isOnline === true;
    const leavesAt = from.turns.take(isPresent, now);
    await this.timeline.wait(
      leavesAt - now + (isPresent ? BROKER_MS + this.#random.next() * BROKER_JITTER_MS : GIVEN_UP_MS),
    );
    if (isPresent) to.sync.hear(from.name, bytes, "brokers");
    return isPresent;
  }

  #isLost(): boolean {
    return this.#random.next() < this.#conditions.loss;
  }

  #passage(): number {
    return PATH_MS + this.#random.next() * PATH_JITTER_MS;
  }
}
