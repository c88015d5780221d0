import type { Candidate } from "../candidates/candidate.js";
import type { NatVerdict } from "../info.js";
import type { RememberedPeer, StateFile } from "../state-file.js";
import { type Announce, decodeAnnounce, encodeAnnounce } from "./announce.js";
import { isNewer } from "./freshness.js";

/** An announce that was accepted. */
export interface Accepted {
  readonly announce: Announce;
  /** The sender does not know what we announce now. */
  readonly wantsAnswer: boolean;
}

/** Numbers the own announces, and accepts those of the peers: each once, and only ever later ones. */
export class Announcer {
  readonly #state: StateFile;
  #counter = 0;
  /** The first announce that says what is so now. */
  #currentSince = 1;

  constructor(state: StateFile) {
    this.#state = state;
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
      candidates,
    });
  }

  /**
   * @param wallNow - Unix ms
   * @returns undefined for what is no announce, and for one that is not newer than the last
   */
  accept(peer: string, bytes: Uint8Array, wallNow: number): Accepted | undefined {
    const announce = decodeAnnounce(bytes);
    if (announce === undefined || !isNewer(announce, this.#state.peers.get(peer))) return undefined;
    this.#state.peers.set(peer, remembered(announce, wallNow));
    const { seenBoot, seenCounter } = announce;
    const hasHeard = seenBoot === this.#state.boot && seenCounter >= this.#currentSince;
    return { announce, wantsAnswer: !hasHeard };
  }
}

function remembered({ boot, counter, candidates }: Announce, wallNow: number): RememberedPeer {
  const seenAt = (ageS: number): number => wallNow - ageS * 1000;
  return {
    boot,
    counter,
    candidates: candidates.map(({ kind, endpoint, ageS }) => ({ kind, endpoint, seenAt: seenAt(ageS) })),
  };
}
