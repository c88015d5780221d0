import type { NatVerdict, PathKind, PeerState } from "../info.js";
import { Agenda } from "./agenda.js";
import { type DestinationBudget, ProbeBudget } from "./budget.js";
import { bestOf, betterThan, type InUse, isUnfit } from "./choice.js";
import * as C from "./constants.js";
import type { Decision, Fact, PathName, Probe, Step, View } from "./facts.js";
import {
  hold,
  isPenalised,
  isProven,
  isSilent,
  isUsable,
  onAnswered,
  onSent,
  type Path,
  penalise,
  probeBack,
  probeSoon,
  startBurst,
  unansweredAt,
  viewOf,
} from "./path.js";
import { PathTable } from "./path-table.js";
import { reasonFor } from "./reason.js";
import { Roaming } from "./roaming.js";
import { Session } from "./session.js";
import { kindOf, Tier, type TierOf } from "./tiers.js";
import { WireGuardWatch } from "./wireguard-watch.js";

/** What a path machine is made with. */
export interface PathMachineOptions {
  /** The own key is the lower one: we choose, the peer follows. */
  readonly isDecider: boolean;
  /** How good a remote endpoint is by its kind. Asked again when the network has changed. */
  readonly tierOf: TierOf;
  /** What may be sent to one address: shared by all machines of a host. */
  readonly destinations: DestinationBudget;
  /** From 0 to below 1. */
  readonly random: () => number;
}

/** One path, for people. */
export interface PathSnapshot {
  readonly name: PathName;
  readonly kind: PathKind;
  /** Smoothed, ms. */
  readonly roundTripMs: number | undefined;
  readonly isProven: boolean;
}

/** A machine, for people. */
export interface Snapshot {
  readonly state: PeerState;
  /** The path in use, and since when, monotonic ms. */
  readonly path: (PathSnapshot & { readonly sinceMs: number }) | undefined;
  /** All others that are known. */
  readonly others: readonly PathSnapshot[];
  /** Why it is in this state: one sentence. */
  readonly reason: string;
}

/**
 * Decides over which path WireGuard reaches one peer. It does nothing itself: facts and time go in, decisions come
 * out, so that every history can be replayed. Times are monotonic milliseconds.
 *
 * Two machines decide together: each puts what it thinks of a path in its probes there. The decider, which has the
 * lower key, chooses; the other takes what it is told, once it has proven the path itself.
 */
export class PathMachine {
  readonly #isDecider: boolean;
  readonly #paths: PathTable;
  readonly #budget: ProbeBudget;
  readonly #agenda: Agenda;
  readonly #watch = new WireGuardWatch();
  readonly #session: Session;
  readonly #roaming = new Roaming();
  #inUse: InUse | undefined;
  #hasStarted = false;
  #hasMet = false;
  /** When WireGuard was last told where to send. */
  #toldAt = Number.NEGATIVE_INFINITY;
  /** The path in use was there before us, and was not proven yet. */
  #isAdopted = false;
  /** The others are already probed because the path in use is in doubt. */
  #isDoubted = false;
  #isFiltered = false;
  #wasAsking = false;
  /** Since when there is a path to use, and none is used: the follower waits for the decider's word. */
  #usableSince: number | undefined;
  #ownNat: NatVerdict = "unknown";
  #peerNat: NatVerdict = "unknown";
  #shown = "";
  #decisions: Decision[] = [];

  constructor({ isDecider, tierOf, destinations, random }: PathMachineOptions) {
    this.#isDecider = isDecider;
    this.#paths = new PathTable(tierOf);
    this.#budget = new ProbeBudget(destinations);
    this.#agenda = new Agenda(random);
    this.#session = new Session(this.#watch, isDecider);
  }

  /** Takes in a fact, and says what is to be done, in this order, and when to come again. */
  step(fact: Fact, now: number): Step {
    this.#decisions = [];
    if (!this.#hasStarted) this.#agenda.hunt(now);
    this.#hasStarted = true;
    this.#take(fact, now);
    this.#paths.prune(now, this.#inUse?.path.name);
    this.#choose(now);
    this.#judgeRoaming(now);
    this.#tendSession(now);
    this.#dropIfDead(now);
    this.#beginBursts(now);
    this.#sendProbes(now);
    if (this.#agenda.takeAnnounce(now)) this.#decisions.push({ type: "announce" });
    this.#show(now);
    return { decisions: this.#decisions, nextAt: this.#nextAt(now) };
  }

  /** What we say of a path, in a probe on it or in an answer. */
  view(name: PathName, now: number): View {
    const path = this.#paths.get(name);
    const isChosen = path !== undefined && path === this.#inUse?.path;
    return {
      isProven: path !== undefined && isUsable(path, now),
      isChosen,
      asksForHandshake: isChosen && this.#session.asks(now),
    };
  }

  /** WireGuard should be looked at often: something is to be seen there soon. */
  get isWatching(): boolean {
    return this.#session.isWaiting;
  }

  /** Paths that are known: bounded. */
  get size(): number {
    return this.#paths.size;
  }

  snapshot(now: number): Snapshot {
    const inUse = this.#inUse;
    const others = [...this.#paths.values()].filter((path) => path !== inUse?.path);
    return {
      state: this.#state(),
      path: inUse && { ...snapshotOf(inUse.path, now), sinceMs: inUse.since },
      others: others.map((path) => snapshotOf(path, now)),
      reason: this.#reason(now),
    };
  }

  #take(fact: Fact, now: number): void {
    switch (fact.type) {
      case "candidates":
        for (const path of this.#paths.list(fact.candidates, now)) startBurst(path, now, C.BURST_PROBES);
        if (fact.isNews) this.#onNews(now);
        if (fact.wantsAnswer) this.#agenda.wantAnnounce();
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
        this.#ownNat = fact.own;
        this.#peerNat = fact.peer;
        break;
      case "own-candidates":
        // The peer will probe when it hears of them: our probes have to open the way before.
        if (this.#inUse === undefined) this.#agenda.hunt(now);
        this.#agenda.wantAnnounce();
        break;
      case "network-changed":
        this.#onNetworkChanged(now);
        break;
      case "time":
        break;
    }
  }

  #onNews(now: number): void {
    if (this.#inUse === undefined) this.#agenda.hunt(now);
    else this.#probeOthers(now, C.BURST_PROBES);
  }

  #onAnswered(fact: Extract<Fact, { type: "answered" }>, now: number): void {
    const path = this.#paths.see(fact.path, now, this.#inUse?.path.name);
    if (path === undefined) return;
    const wasProven = isProven(path, now);
    onAnswered(path, fact.roundTripMs, now);
    // The peer waits for this word before it changes to the path.
    if (!wasProven) probeSoon(path, now);
    if (path === this.#inUse?.path) {
      this.#isDoubted = false;
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
    path.view = view;
    path.viewAt = now;
    if (!view.asksForHandshake || path !== this.#inUse?.path) return;
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
    if (this.#session.look(now)) {
      path.penalties = 0;
      this.#isFiltered = false;
    }
    if (!this.#roaming.look(endpoint, path.name, this.#toldAt, now) || endpoint === undefined) return;
    const roamed = this.#paths.see(endpoint, now, path.name);
    if (roamed !== undefined) startBurst(roamed, now, C.SEEK_PROBES);
    probeSoon(path, now);
  }

  #onNetworkChanged(now: number): void {
    this.#paths.rank();
    for (const path of this.#paths.values()) {
      path.voidedAt = now;
      path.unanswered.length = 0;
      path.heldUntil = path.penalisedUntil = Number.NEGATIVE_INFINITY;
      startBurst(path, now, C.BURST_PROBES);
    }
    if (this.#inUse === undefined) this.#agenda.hunt(now);
    this.#agenda.wantAnnounce();
  }

  #choose(now: number): void {
    const path = this.#isDecider ? this.#chosen(now) : this.#followed(now);
    if (path !== undefined && path !== this.#inUse?.path) this.#change(path, now);
  }

  /** The decider takes the first path that is proven, and then a better one. */
  #chosen(now: number): Path | undefined {
    const inUse = this.#inUse;
    if (inUse === undefined || isUnfit(inUse, now)) return this.#best(now);
    return betterThan(inUse, this.#paths.values(), now);
  }

  /** The follower takes what it is told, and what it finds itself only when it would have nothing. */
  #followed(now: number): Path | undefined {
    const told = this.#told(now);
    if (told !== undefined && isUsable(told, now)) return told;
    const inUse = this.#inUse;
    if (inUse !== undefined) return isUnfit(inUse, now) ? this.#best(now) : undefined;
    const best = this.#best(now);
    if (best === undefined) this.#usableSince = undefined;
    else this.#usableSince ??= now;
    const isPatient = now < (this.#usableSince ?? now) + C.FOLLOWER_PATIENCE_MS;
    return isPatient ? undefined : best;
  }

  /** What the decider uses, as it last said. */
  #told(now: number): Path | undefined {
    let told: Path | undefined;
    for (const path of this.#paths.values()) {
      if (viewOf(path, now)?.isChosen && path.viewAt > (told?.viewAt ?? Number.NEGATIVE_INFINITY))
        told = path;
    }
    return told;
  }

  #best(now: number): Path | undefined {
    return bestOf(this.#paths.values(), now);
  }

  #change(path: Path, now: number): void {
    const old = this.#inUse;
    this.#enter(path, now);
    if (old !== undefined && isUnfit(old, now) && !isPenalised(old.path, now)) {
      if (now - old.since > C.FORGIVE_MS) old.path.drops = 0;
      hold(old.path, now);
      this.#agenda.seekBy(old.path.heldUntil);
    }
    this.#session.begin(now);
    // The peer is told at once.
    probeSoon(path, now);
  }

  /** WireGuard has a session already, from before us or by a path that we took for dead: it stays as it is. */
  #adopt(path: Path, now: number): void {
    path.unanswered.length = 0;
    this.#enter(path, now);
    this.#isAdopted = true;
    this.#session.end();
    probeSoon(path, now);
  }

  #enter(path: Path, now: number): void {
    this.#inUse = { path, since: now };
    this.#hasMet = true;
    this.#isAdopted = this.#isDoubted = this.#isFiltered = false;
    this.#usableSince = undefined;
    this.#roaming.to = undefined;
    this.#agenda.rest(now);
  }

  #judgeRoaming(now: number): void {
    const roamed = this.#paths.get(this.#roaming.to);
    const current = this.#inUse?.path;
    if (roamed === undefined || current === undefined) return;
    const isTold = !this.#isDecider && this.#told(now) === roamed;
    const verdict = this.#roaming.judge(roamed, current, isTold, now);
    if (verdict === "accept") this.#change(roamed, now);
    if (verdict === "correct") this.#use(current, false, now);
  }

  #tendSession(now: number): void {
    if (this.#inUse === undefined) return;
    if (this.#session.takeFailure(now)) {
      this.#isFiltered = isProven(this.#inUse.path, now);
      if (this.#isFiltered) penalise(this.#inUse.path, now);
      this.#choose(now);
    }
    const { path } = this.#inUse;
    const start = this.#session.takeStart(now);
    if (start !== undefined) this.#use(path, start.isFresh, now);
    const isAsking = this.#session.asks(now);
    if (isAsking && !this.#wasAsking) probeSoon(path, now);
    this.#wasAsking = isAsking;
  }

  #use({ name }: Path, isFresh: boolean, now: number): void {
    this.#toldAt = now;
    this.#decisions.push({ type: "use", path: name, isFresh });
  }

  #dropIfDead(now: number): void {
    if (this.#inUse === undefined || now < this.#deadAt(this.#inUse.path)) return;
    hold(this.#inUse.path, now);
    this.#inUse = undefined;
    this.#session.end();
    this.#roaming.to = undefined;
    this.#agenda.hunt(now);
  }

  /** When the path in use is given up, if nothing is heard until then: its probes, and WireGuard, are silent. */
  #deadAt(path: Path): number {
    const silentAt = unansweredAt(path, C.SILENT_PROBES);
    const since = path.unanswered[0] ?? Number.POSITIVE_INFINITY;
    const { receivedAt } = this.#watch;
    const isHeld = receivedAt > since + C.WATCH_LAG_MS;
    return Math.max(silentAt, isHeld ? receivedAt + C.RECEIVED_HOLD_MS : since + C.SILENT_MS);
  }

  #beginBursts(now: number): void {
    const inUse = this.#inUse;
    if (inUse === undefined) {
      if (!this.#agenda.takeRound(now, this.#ownNat === "blocked")) return;
      for (const path of this.#paths.values()) startBurst(path, now, C.BURST_PROBES);
      return;
    }
    const isInDoubt = unansweredAt(inUse.path, 1) <= now;
    if (isInDoubt && !this.#isDoubted) {
      this.#isDoubted = true;
      this.#probeOthers(now, C.SEEK_PROBES);
    }
    if (this.#agenda.takeSeek(now) && !isGood(inUse.path)) this.#probeOthers(now, C.SEEK_PROBES);
  }

  #probeOthers(now: number, probes: number): void {
    for (const path of this.#paths.values()) if (path !== this.#inUse?.path) startBurst(path, now, probes);
  }

  #sendProbes(now: number): void {
    const probes: Probe[] = [];
    const current = this.#inUse?.path;
    if (current !== undefined && this.#dueAt(current, now) <= now) {
      // A path in use costs little, and nobody who names its address elsewhere may silence it.
      onSent(current, now);
      probes.push({ path: current.name, view: this.view(current.name, now) });
    }
    for (const path of this.#waiting(now)) {
      if (!this.#budget.take(path.endpoint.address, now)) continue;
      onSent(path, now);
      probes.push({ path: path.name, view: this.view(path.name, now) });
    }
    if (probes.length > 0) this.#decisions.push({ type: "probe", probes });
  }

  /** Paths beside the one in use whose probe is due, the one that waits for longest first. */
  #waiting(now: number): Path[] {
    const due = [...this.#paths.values()].filter((path) => path !== this.#inUse?.path && path.dueAt <= now);
    return due.sort((a, b) => a.dueAt - b.dueAt || a.sentAt - b.sentAt);
  }

  #dueAt(path: Path, now: number): number {
    if (path !== this.#inUse?.path) return path.dueAt;
    return Math.min(path.dueAt, path.sentAt + this.#interval(path, now));
  }

  /** Between two probes of the path in use, ms. */
  #interval(path: Path, now: number): number {
    const usual = this.#watch.isActive(now) ? C.ACTIVE_PROBE_MS : C.IDLE_PROBE_MS;
    if (path.unanswered.length > 0) {
      // What WireGuard receives may keep a path whose probes are never answered.
      const isHopeless = isSilent(path, now) && now >= (path.unanswered[0] ?? now) + 2 * C.SILENT_MS;
      return isHopeless ? usual : C.DOUBT_PROBE_MS;
    }
    return this.#session.asks(now) ? C.ASK_PROBE_MS : usual;
  }

  #nextAt(now: number): number {
    const times: number[] = [this.#agenda.nextAt(now)];
    for (const path of this.#paths.values()) {
      const dueAt = this.#dueAt(path, now);
      const isFree = path === this.#inUse?.path || dueAt > now;
      times.push(isFree ? dueAt : this.#budget.readyAt(path.endpoint.address, now));
    }
    if (this.#usableSince !== undefined) times.push(this.#usableSince + C.FOLLOWER_PATIENCE_MS);
    if (this.#inUse !== undefined) {
      const { path } = this.#inUse;
      times.push(this.#session.nextAt(now), this.#roaming.nextAt(), this.#deadAt(path));
      times.push(unansweredAt(path, 1), unansweredAt(path, C.SILENT_PROBES));
    }
    const next = Math.min(...times.filter((time) => time > now));
    return Math.min(Math.max(next, now + C.STEP_GAP_MS), now + C.STEP_MAX_MS);
  }

  #state(): PeerState {
    if (this.#inUse !== undefined) return this.#inUse.path.tier === Tier.Relayed ? "relayed" : "direct";
    if (this.#hasMet) return "lost";
    return this.#paths.size > 0 ? "probing" : "unmet";
  }

  #reason(now: number): string {
    const paths = [...this.#paths.values()];
    return reasonFor({
      state: this.#state(),
      candidates: paths.length,
      isProven: paths.some((path) => isUsable(path, now)),
      isHeard: paths.some((path) => now - path.viewAt <= C.SEEN_MS),
      isFiltered: this.#isFiltered,
      ownNat: this.#ownNat,
      peerNat: this.#peerNat,
    });
  }

  #show(now: number): void {
    const shown = `${this.#state()} ${this.#inUse?.path.name} ${this.#reason(now)}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#decisions.push({ type: "changed" });
  }
}

/** Nothing better is to be expected. */
function isGood({ tier, roundTripMs }: Path): boolean {
  return tier === Tier.Lan || (roundTripMs !== undefined && roundTripMs <= C.GOOD_ROUND_TRIP_MS);
}

function snapshotOf(path: Path, now: number): PathSnapshot {
  return {
    name: path.name,
    kind: kindOf(path.tier, path.endpoint),
    roundTripMs: path.roundTripMs,
    isProven: isProven(path, now),
  };
}
