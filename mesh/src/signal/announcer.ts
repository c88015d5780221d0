import type { Candidate } from "../candidates/candidate.js";
import type { NatVerdict } from "../info.js";
import { Budgets } from "../probe/budgets.js";
import type { RememberedPeer, StateFile } from "../state-file.js";
import { type Announce, decodeAnnounce, encodeAnnounce } from "./announce.js";
import { isNewer } from "./freshness.js";

/**
 * Announces of one peer that are looked at: 20 a minute, and 20 at once. Each that is accepted is written to the disk and
 * makes us probe; the path machines make six at once, and two a minute.
 */
const PER_PEER = { perSecond: 1 / 3, burst: 20 } as const;

/** Announces of an older start that are answered: one in 20 s. A broker can repeat old ones as often as it likes. */
const OLDER_PER_PEER = { perSecond: 1 / 20, burst: 1 } as const;

/** An announce that was accepted. */
export interface Accepted {
  readonly announce: Announce;
  /** The sender does not know what we announce now. */
  readonly wantsAnswer: boolean;
  /** The sender has heard this start of ours, and then a later one: another host has our key. */
  readonly knowsAnother: boolean;
}

/** Numbers the own announces, and accepts those of the peers: each once, and only ever later ones. */
export class Announcer {
  readonly #state: StateFile;
  readonly #isRelay: boolean;
  readonly #ofPeer = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #older = new Budgets(OLDER_PER_PEER.perSecond, OLDER_PER_PEER.burst, Number.POSITIVE_INFINITY);
  /** The start of ours that each peer has said it has heard of. */
  readonly #heard = new Map<string, bigint>();
  #counter = 0;
  /** The first announce that says what is so now. */
  #currentSince = 1;

  /** @param isRelay - whether this host relays between its peers */
  constructor(state: StateFile, { isRelay = false }: { readonly isRelay?: boolean } = {}) {
    this.#state = state;
    this.#isRelay = isRelay;
  }

  /** What the next announces say is something else than what the last ones said. */
  changed(): void {
    this.#currentSince = this.#counter + 1;
  }

  write(peer: string, nat: NatVerdict, candidates: readonly Candidate[]): Uint8Array {
    const last = this.#state.peers.get(peer);
    return encodeAnnounce({
      boot: this.#state.boot,
      counter: ++this.#counter,
      seenBoot: last?.boot ?? 0n,
      seenCounter: last?.counter ?? 0,
      nat,
      isRelay: this.#isRelay,
      candidates,
    });
  }

  /**
   * @param wallNow - Unix ms
   * @param now - monotonic ms
   * @returns undefined for what is no announce, for one that is not newer than the last, and when there are too many;
   * `"older"` for one of an older start whose sender is to be told so: it lost the file that counts its starts, or it is
   * another host with the peer's key
   */
  accept(peer: string, bytes: Uint8Array, wallNow: number, now: number): Accepted | "older" | undefined {
    const announce = decodeAnnounce(bytes);
    if (announce === undefined) return undefined;
    const last = this.#state.peers.get(peer);
    if (!isNewer(announce, last)) {
      const isOlder = last !== undefined && announce.boot < last.boot;
      return isOlder && this.#older.take(peer, now) ? "older" : undefined;
    }
    if (!this.#ofPeer.take(peer, now)) return undefined;
    this.#state.peers.set(peer, remembered(announce, wallNow));
    const { seenBoot, seenCounter } = announce;
    const { boot } = this.#state;
    if (seenBoot === boot) this.#heard.set(peer, boot);
    const knowsAnother = seenBoot > boot && this.#heard.get(peer) === boot;
    const hasHeard = seenBoot === boot && seenCounter >= this.#currentSince;
    return { announce, wantsAnswer: !hasHeard && !knowsAnother, knowsAnother };
  }
}

function remembered({ boot, counter, nat, isRelay, candidates }: Announce, wallNow: number): RememberedPeer {
  const seenAt = (ageS: number): number => wallNow - ageS * 1000;
  return {
    boot,
    counter,
    nat,
    isRelay,
    candidates: candidates.map(({ kind, endpoint, ageS }) => ({ kind, endpoint, seenAt: seenAt(ageS) })),
  };
}
