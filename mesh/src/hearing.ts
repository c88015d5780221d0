import type { OwnAddresses } from "./candidates/own-addresses.js";
import { withSource } from "./lan/lan-candidate.js";
import type { Peer } from "./peer.js";
import type { Announcer } from "./signal/announcer.js";
import type { StateFile } from "./state-file.js";

/** What hearing works with. */
export interface HearingMeans {
  /** Of the interface. */
  readonly name: string;
  readonly announcer: Pick<Announcer, "accept">;
  readonly addresses: Pick<OwnAddresses, "nat" | "reachable">;
  readonly state: Pick<StateFile, "boot" | "passBoot" | "save">;
  readonly peers: ReadonlyMap<string, Pick<Peer, "take">>;
  /** The time, Unix ms. */
  readonly getTime: () => number;
  readonly onHeard: (publicKey: string) => void;
  /** Where a peer may be reached has been taken in. */
  readonly onCandidates: (publicKey: string) => void;
  /** A peer says whether it relays. */
  readonly onRelay: (publicKey: string, isRelay: boolean) => void;
  /** A host that has this peer's key does not know the peer's last start. */
  readonly onOlder: (publicKey: string) => void;
  readonly onWarning: (message: string) => void;
  readonly onError: (error: unknown) => void;
}

/** Takes in what the peers announce, by whichever way it came. */
export class Hearing {
  readonly #means: HearingMeans;
  #hasWarnedOfAnother = false;

  constructor(means: HearingMeans) {
    this.#means = means;
  }

  /**
   * Anything that a peer, or somebody in its name, has sent.
   * @param from - the address on a LAN that it came from
   * @returns whether the peer does not know what we announce now
   */
  hear(name: string, bytes: Uint8Array, from?: string): boolean {
    const { announcer, addresses, state, peers, getTime, onHeard, onError } = this.#means;
    const peer = peers.get(name);
    const accepted = peer && announcer.accept(name, bytes, getTime(), performance.now());
    if (accepted === undefined) return false;
    if (accepted === "older") {
      this.#means.onOlder(name);
      return false;
    }
    onHeard(name);
    const { announce, wantsAnswer, knowsAnother } = accepted;
    if (knowsAnother) this.#warnOfAnother(name);
    // It knows a later start of ours than this one: the file that counts them was lost.
    const isPassed = !knowsAnother && announce.seenBoot > state.boot;
    void (isPassed ? state.passBoot(announce.seenBoot) : state.save()).catch(onError);
    peer?.take({ type: "nat", own: addresses.nat, peer: announce.nat });
    this.#means.onRelay(name, announce.isRelay);
    const all = from === undefined ? announce.candidates : withSource(announce.candidates, from);
    const candidates = addresses.reachable(all);
    peer?.take({ type: "candidates", candidates, isNews: true, wantsAnswer });
    this.#means.onCandidates(name);
    return wantsAnswer;
  }

  /** Two hosts of one key throw each other out. The later one is let be: else both would start again and again. */
  #warnOfAnother(peer: string): void {
    if (this.#hasWarnedOfAnother) return;
    this.#hasWarnedOfAnother = true;
    const { name, onWarning } = this.#means;
    onWarning(
      `duplicate identity: ${peer} has heard from another host that has the key of ${name}, started after this one. ` +
        "Give each host a key of its own: sidewire-mesh keygen",
    );
  }
}
