import type { NatVerdict } from "../info.js";
import { Agenda } from "./agenda.js";
import { Chooser, deadAtOf, type Fault, faultOf, type InUse, toldOf } from "./choice.js";
import * as C from "./constants.js";
import type { Decision, Fact, LooksWanted, PathName, Step, View } from "./facts.js";
import type { PathMachineOptions } from "./machine-options.js";
import {
  absolve,
  hold,
  isPenalised,
  isProven,
  isSilent,
  isUsable,
  onAnswered,
  onView,
  type Path,
  penalise,
  probeBack,
  probeSoon,
  startBurst,
  unansweredAt,
  viewOf,
  voidProof,
} from "./path.js";
import { PathTable } from "./path-table.js";
import { type Probed, Probing } from "./probing.js";
import { RelayWish } from "./relay-wish.js";
import { Roaming } from "./roaming.js";
import { Session } from "./session.js";
import { describe, headlineOf, type Known, type Snapshot } from "./snapshot.js";
import { isRelayed } from "./tiers.js";
import { WireGuardWatch } from "./wireguard-watch.js";

/**
 * Decides over which path WireGuard reaches one peer. The machine does nothing by itself: facts and times go in,
 * decisions come out. So every history can be replayed. All times are monotonic milliseconds.
 *
 * Two machines decide together: each puts its view of a path into its probes on that path. The decider, which has the
 * lower key, chooses. The other machine takes the path that it is told, after it has proven the path itself.
 */
export class PathMachine {
  readonly #isDecider: boolean;
  readonly #paths: PathTable;
  readonly #probing: Probing;
  readonly #agenda: Agenda;
  readonly #chooser: Chooser;
  readonly #watch = new WireGuardWatch();
  readonly #session: Session;
  readonly #roaming = new Roaming();
  readonly #relayWish = new RelayWish();
  #inUse: InUse | undefined;
  #hasStarted = false;
  #steppedAt = 0;
  #hasMet = false;
  /** When WireGuard was last told where to send. */
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Whether the path in use was there before this daemon, and is not proven yet. */
  #isAdopted = false;
  /** Whether the own network has changed, and the path in use was not answered since then. */
  #hasMoved = false;
  #wasAsking = false;
  /** What is known besides the paths, for people. */
  readonly #situation: { isFiltered: boolean; ownNat: NatVerdict; peerNat: NatVerdict } = {
    isFiltered: false,
    ownNat: "unknown",
    peerNat: "unknown",
  };
  #shown = "";
  #decisions: Decision[] = [];

  constructor({ isDecider, tierOf, destinations, random }: PathMachineOptions) {
    this.#isDecider = isDecider;
    this.#paths = new PathTable(tierOf);
    this.#probing = new Probing(this.#paths, destinations);
    this.#agenda = new Agenda(random);
    this.#chooser = new Chooser(isDecider);
    this.#session = new Session(this.#watch, isDecider);
  }

  /** Handles a fact. Returns the decisions in their order, and the time for the next call. */
  step(fact: Fact, now: number): Step {
    this.#decisions = [];
    if (!this.#hasStarted) this.#tellNews(now);
    this.#hasStarted = true;
    this.#steppedAt = now;
    this.#take(fact, now);
    this.#paths.prune(now, this.#inUse?.path.name);
    this.#choose(now);
    this.#judgeRoaming(now);
    this.#tendSession(now);
    this.#dropIfDead(now);
    this.#beginBursts(now);
    this.#sendProbes(now);
    this.#wishForRelay(now);
    if (this.#agenda.takeAnnounce(now)) this.#decisions.push({ type: "announce" });
    this.#show(now);
    return { decisions: this.#decisions, nextAt: this.#nextAt(now) };
  }

  /** The own view of a path, for a probe on it or an answer. */
  view(name: PathName, now: number): View {
    const path = this.#paths.get(name);
    const isChosen = path !== undefined && path === this.#inUse?.path;
    return {
      isProven: path !== undefined && isUsable(path, now),
      isChosen,
      asksForHandshake: isChosen && this.#session.asks(now),
    };
  }

  /** How often WireGuard should be looked at. */
  get wants(): LooksWanted {
    const now = this.#steppedAt;
    if (this.#session.isHurried(now)) return "soon";
    if (this.#inUse === undefined) return this.#agenda.rounds > C.ROUNDS_MS.length ? "rare" : "usual";
    const { path, since } = this.#inUse;
    // Looks in quick succession do not show whether data flows.
    const isYoung = now - since < C.ACTIVE_FOR_MS;
    const isInDoubt =
      this.#session.isWaiting || unansweredAt(path, 1) <= now || this.#roaming.to !== undefined;
    // Otherwise the own probes show that the path works, and nothing else happens on it.
    return isYoung || isInDoubt || this.#isAdopted || this.#watch.isActive(now) ? "usual" : "rare";
  }

  /** The number of known paths, which is limited. */
  get size(): number {
    return this.#paths.size;
  }

  snapshot(now: number): Snapshot {
    return describe(this.#known(), now);
  }

  #take(fact: Fact, now: number): void {
    switch (fact.type) {
      case "candidates":
        this.#onCandidates(fact, now);
        break;
      case "introduced":
        this.#onIntroduced(fact, now);
        break;
      case "answered":
        this.#onAnswered(fact, now);
        break;
      case "probed":
        this.#onProbed(fact, now);
        break;
      case "wireguard":
        this.#onWireGuard(fact, now);
        break;
      case "nat":
        this.#situation.ownNat = fact.own;
        this.#situation.peerNat = fact.peer ?? this.#situation.peerNat;
        break;
      case "own-candidates":
        // The peer will probe when it gets the new candidates. Own probes must open the NAT before that.
        this.#tellNews(now);
        break;
      case "network-changed":
        this.#onNetworkChanged(now);
        break;
      case "relay":
        this.#onRelay(fact, now);
        break;
    }
  }

  #onCandidates(fact: Extract<Fact, { type: "candidates" }>, now: number): void {
    const { fresh, areOthers } = this.#paths.list(fact.candidates, now);
    for (const path of fresh) startBurst(path, now, C.BURST_PROBES);
    if (fact.wantsAnswer) this.#agenda.wantAnnounce();
    if (this.#inUse !== undefined) {
      if (fact.isNews && areOthers) this.#askAgain(this.#inUse.path, now);
    } else if (fresh.length > 0 || fact.wantsAnswer) this.#agenda.restart(now);
    // The peer's probes are on their way. Own probes must open the NAT for them.
    else if (fact.isNews) this.#agenda.hurry();
  }

  /** The peer itself did not say so. While a path works, such candidates are useless. */
  #onIntroduced({ candidates }: Extract<Fact, { type: "introduced" }>, now: number): void {
    if (this.#inUse !== undefined) return;
    for (const path of this.#paths.introduce(candidates, now)) startBurst(path, now, C.BURST_PROBES);
  }

  /**
   * The peer names other places, so it may have moved. If the path is proven again at once, it stays. Otherwise another
   * path is ready.
   */
  #askAgain(path: Path, now: number): void {
    path.voidedAt = now;
    startBurst(path, now, C.SEEK_PROBES);
    this.#probing.probeOthers(path, C.BURST_PROBES, now);
  }

  #onAnswered(fact: Extract<Fact, { type: "answered" }>, now: number): void {
    const path = this.#paths.see(fact.path, now, this.#inUse?.path.name);
    if (path === undefined) return;
    const wasProven = isProven(path, now);
    onAnswered(path, fact.roundTripMs, now);
    // The peer waits for this word before it changes to the path.
    if (!wasProven) probeSoon(path, now);
    if (path === this.#inUse?.path) {
      // The path works from this host's new place. The peer's WireGuard learns that from the first packet.
      if (this.#hasMoved) this.#use(path, false, now);
      this.#hasMoved = false;
      if (this.#isAdopted) this.#session.begin(now);
      this.#isAdopted = false;
    }
    this.#onView(path, fact.view, now);
  }

  #onProbed(fact: Extract<Fact, { type: "probed" }>, now: number): void {
    const isNew = this.#paths.get(fact.path) === undefined;
    const path = this.#paths.see(fact.path, now, this.#inUse?.path.name);
    if (path === undefined) return;
    if (isNew) startBurst(path, now, C.BURST_PROBES);
    else if (!isProven(path, now)) probeBack(path, now);
    this.#onView(path, fact.view, now);
  }

  #onView(path: Path, view: View, now: number): void {
    onView(path, view, now);
    const current = this.#inUse?.path;
    // The peer's WireGuard uses another path, and the own one will follow. Which of the two paths works?
    if (view.isChosen && current !== undefined && path !== current) this.#suspect(path.name, now);
    if (path !== current) return;
    // Both sides must probe at the same time, so that their NATs are open for each other.
    if (!view.isProven || view.asksForHandshake) this.#doubt(now);
    if (!view.asksForHandshake) {
      this.#session.endRequest();
      return;
    }
    const help = this.#session.takeRequest(now);
    if (help !== undefined) this.#use(path, help.isFresh, now);
  }

  #onWireGuard(fact: Extract<Fact, { type: "wireguard" }>, now: number): void {
    const isAlive = this.#watch.look(fact, now);
    const { endpoint } = this.#watch;
    if (this.#inUse === undefined) {
      const path = isAlive && endpoint !== undefined ? this.#paths.see(endpoint, now, undefined) : undefined;
      if (path !== undefined) this.#adopt(path, now);
      return;
    }
    const { path } = this.#inUse;
    const isHere = endpoint === undefined || endpoint === path.name;
    if (this.#session.look(now, isHere)) {
      absolve(path);
      this.#situation.isFiltered = false;
    }
    if (isHere) this.#roaming.settle(now);
    else if (this.#paths.see(endpoint, now, path.name) !== undefined) this.#suspect(endpoint, now);
  }

  /** WireGuard has changed to this path, or will. Does it work, and does the path in use? */
  #suspect(name: PathName, now: number): void {
    if (this.#inUse === undefined || !this.#roaming.suspect(name, this.#toldAt, now)) return;
    const path = this.#paths.get(name);
    if (path !== undefined) startBurst(path, now, C.SEEK_PROBES);
    probeSoon(this.#inUse.path, now);
  }

  #onNetworkChanged(now: number): void {
    this.#paths.rank();
    for (const path of this.#paths.values()) {
      voidProof(path, now);
      startBurst(path, now, C.BURST_PROBES);
    }
    this.#hasMoved = this.#inUse !== undefined;
    this.#tellNews(now);
  }

  #tellNews(now: number): void {
    if (this.#inUse === undefined) this.#agenda.restart(now);
    this.#agenda.wantNews();
  }

  #onRelay({ path: name, isOpen }: Extract<Fact, { type: "relay" }>, now: number): void {
    if (isOpen) {
      const path = this.#paths.see(name, now, this.#inUse?.path.name);
      if (path !== undefined) startBurst(path, now, C.BURST_PROBES);
      return;
    }
    this.#paths.delete(name);
    if (this.#inUse?.path.name === name) this.#drop(now);
  }

  #choose(now: number): void {
    const path = this.#chooser.choose(this.#inUse, this.#paths.values(), now);
    if (path !== undefined && path !== this.#inUse?.path) this.#change(path, now);
  }

  #change(path: Path, now: number): void {
    const old = this.#inUse;
    const fault = old && (faultOf(old, now) ?? (isSilent(old.path, now) ? "silent" : undefined));
    this.#enter(path, now);
    if (old !== undefined) this.#leave(old, path, fault, now);
    this.#session.begin(now, path.penalties > 0 ? C.EVIDENCE_AGAIN_MS : C.EVIDENCE_MS);
    // The peer is told at once, on both paths.
    probeSoon(path, now);
  }

  #leave({ path, since }: InUse, next: Path, fault: Fault | undefined, now: number): void {
    if (now - since > C.FORGIVE_MS) path.drops = 0;
    // Nobody wants a worse kind of path, so the change was forced, for instance by WireGuard's own roaming. Its reason
    // may go on, and then the better path would be taken back at once.
    if (fault === "silent" || (fault === undefined && next.tier > path.tier)) hold(path, now);
    if (fault === "filtered" && !isPenalised(path, now)) penalise(path, now);
    if (fault !== undefined) this.#agenda.seekBy(Math.max(path.heldUntil, path.penalisedUntil));
    probeSoon(path, now);
  }

  /** WireGuard already has a session, from before this daemon or on a path that seemed dead. The session stays. */
  #adopt(path: Path, now: number): void {
    path.unanswered.length = 0;
    this.#enter(path, now);
    this.#isAdopted = true;
    this.#session.adopt(now);
    probeSoon(path, now);
  }

  #enter(path: Path, now: number): void {
    const isFirst = this.#inUse === undefined;
    this.#inUse = { path, since: now };
    this.#hasMet = true;
    this.#isAdopted = this.#situation.isFiltered = this.#hasMoved = false;
    this.#roaming.to = undefined;
    const isDetour = isRelayed(path.tier);
    this.#agenda.rest(now, isDetour);
    // Now there is a way to tell the peer the own candidates and relayed places. Messages over the brokers may never
    // arrive.
    if (isDetour || isFirst) this.#agenda.wantAnnounce();
  }

  #judgeRoaming(now: number): void {
    const roamed = this.#paths.get(this.#roaming.to);
    const current = this.#inUse?.path;
    if (roamed === undefined || current === undefined) return;
    const isTold = !this.#isDecider && toldOf(this.#paths.values(), now) === roamed;
    const isThere = this.#watch.endpoint === roamed.name;
    const verdict = this.#roaming.judge({ roamed, current, isTold, isThere }, now);
    if (verdict === "accept") this.#change(roamed, now);
    if (verdict === "correct") this.#use(current, false, now);
  }

  #tendSession(now: number): void {
    if (this.#inUse === undefined) return;
    if (this.#session.takeFailure(now)) this.#onFailure(this.#inUse.path, now);
    const { path } = this.#inUse;
    const start = this.#session.takeStart(now);
    if (start !== undefined) this.#use(path, start.isFresh, now);
    const isAsking = this.#session.asks(now);
    if (isAsking && !this.#wasAsking) {
      probeSoon(path, now);
      this.#doubt(now);
    }
    this.#wasAsking = isAsking;
  }

  /** Nothing came out of WireGuard. The path is at fault only if it carries probes and the peer uses it. */
  #onFailure(path: Path, now: number): void {
    this.#situation.isFiltered = isProven(path, now) && viewOf(path, now)?.isChosen === true;
    if (!this.#situation.isFiltered) return;
    penalise(path, now);
    this.#choose(now);
    this.#doubt(now);
    // The path is dead for data. Both sides may know new addresses by now.
    this.#agenda.wantAnnounce();
  }

  #use({ name }: Path, isFresh: boolean, now: number): void {
    this.#toldAt = now;
    this.#decisions.push({ type: "use", path: name, isFresh });
  }

  #dropIfDead(now: number): void {
    if (this.#inUse === undefined || now < deadAtOf(this.#inUse.path, this.#watch.receivedAt)) return;
    hold(this.#inUse.path, now);
    this.#drop(now);
  }

  #drop(now: number): void {
    this.#inUse = undefined;
    this.#session.end();
    this.#roaming.to = undefined;
    this.#agenda.hunt(now);
  }

  #beginBursts(now: number): void {
    const inUse = this.#inUse;
    if (inUse === undefined) {
      if (!this.#agenda.takeRound(now, this.#situation.ownNat === "blocked")) return;
      for (const path of this.#paths.values()) startBurst(path, now, C.BURST_PROBES);
      return;
    }
    if (unansweredAt(inUse.path, 1) <= now) this.#doubt(now);
    if (this.#agenda.takeSeek(now)) this.#probing.seekBetter(inUse.path, now);
  }

  #wishForRelay(now: number): void {
    const path = this.#inUse?.path;
    if (!this.#relayWish.take(path, this.#isHopeless, now)) return;
    const failed = path !== undefined && isPenalised(path, now) ? path.name : undefined;
    this.#decisions.push({ type: "relay", failed });
  }

  #doubt(now: number): void {
    this.#probing.doubt(this.#inUse?.path, now);
  }

  #sendProbes(now: number): void {
    const probes = this.#probing.take(this.#probed(now), ({ name }) => this.view(name, now), now);
    if (probes.length > 0) this.#decisions.push({ type: "probe", probes });
  }

  #probed(now: number): Probed {
    const pace = { isActive: this.#watch.isActive(now), isAsking: this.#session.asks(now) };
    return { path: this.#inUse?.path, pace };
  }

  #nextAt(now: number): number {
    const relayAt = this.#relayWish.nextAt(this.#inUse?.path, now);
    const times = [this.#agenda.nextAt(now), this.#chooser.nextAt, relayAt];
    times.push(...this.#probing.nextAt(this.#probed(now), now));
    if (this.#inUse !== undefined) {
      const { path, since } = this.#inUse;
      times.push(
        since + C.FOLLOW_GAP_MS,
        this.#session.nextAt(now),
        this.#roaming.nextAt(),
        deadAtOf(path, this.#watch.receivedAt),
        unansweredAt(path, 1),
        unansweredAt(path, C.SILENT_PROBES),
      );
    }
    const next = Math.min(...times.filter((time) => time > now));
    return Math.min(Math.max(next, now + C.STEP_GAP_MS), now + C.STEP_MAX_MS);
  }

  get #isHopeless(): boolean {
    return this.#situation.ownNat === "symmetric" && this.#situation.peerNat === "symmetric";
  }

  #known(): Known {
    const paths = [...this.#paths.values()];
    return { ...this.#situation, paths, inUse: this.#inUse, hasMet: this.#hasMet };
  }

  #show(now: number): void {
    const { state, reason } = headlineOf(this.#known(), now);
    const shown = `${state} ${this.#inUse?.path.name} ${reason}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#decisions.push({ type: "changed" });
  }
}
