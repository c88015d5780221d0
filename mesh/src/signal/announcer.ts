import type { Candidate } from "../candidates/candidate.js";
import type { NatVerdict } from "../info.js";
import { Budgets } from "../probe/budgets.js";
import type { RememberedPeer, StateFile } from "../state-file.js";
import { type Announce, decodeAnnounce, encodeAnnounce } from "./announce.js";
import { isNewer } from "./freshness.js";

/**
 * The limit for announces of one peer: 20 a minute, and 20 at once. Each accepted announce causes a write to the disk
 * and probes. A path machine sends six announces at once, and then two a minute.
 */
const PER_PEER = { perSecond: 1 / 3, burst: 20 } as const;

/**
 * The limit for announces of an older boot that are answered: one in 20 s. A broker can repeat old announces at will.
 */
const OLDER_PER_PEER = { perSecond: 1 / 20, burst: 1 } as const;

/** An announce that was accepted. */
export interface Accepted {
  readonly announce: Announce;
  /** Whether the sender does not know the current announce of this host. */
  readonly wantsAnswer: boolean;
  /**
   * Whether the sender has first heard of this boot, and then of a later one. Then another host has this host's key.
   */
  readonly knowsAnother: boolean;
}

/** Numbers this host's announces, and accepts the peers' announces: each only once, and only in ascending order. */
export class Announcer {
  readonly #state: StateFile;
  readonly #isRelay: boolean;
  readonly #ofPeer = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #older = new Budgets(OLDER_PER_PEER.perSecond, OLDER_PER_PEER.burst, Number.POSITIVE_INFINITY);
  /** The boot of this host that each peer has last reported. */
  readonly #heard = new Map<string, bigint>();
  #counter = 0;
  /** The number of the first announce with the current content. */
  #currentSince = 1;

  /** @param isRelay - whether this host relays between its peers */
  constructor(state: StateFile, { isRelay = false }: { readonly isRelay?: boolean } = {}) {
    this.#state = state;
    this.#isRelay = isRelay;
  }

  /** Must be called when the content of the next announces differs from that of the last ones. */
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
   * @returns undefined for bytes that are not an announce, for an announce that is not newer than the last one, and
   * when there are too many. `"older"` for an announce of an older boot, if the sender must be told so: either the
   * sender lost the file that counts its boots, or another host has the peer's key
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
