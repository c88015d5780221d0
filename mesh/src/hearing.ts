import type { OwnAddresses } from "./candidates/own-addresses.js";
import { withSource } from "./lan/lan-candidate.js";
import type { Peer } from "./peer.js";
import type { Announcer } from "./signal/announcer.js";
import type { StateFile } from "./state-file.js";

/** What hearing needs. */
export interface HearingMeans {
  /** The name of the interface. */
  readonly name: string;
  readonly announcer: Pick<Announcer, "accept">;
  readonly addresses: Pick<OwnAddresses, "nat" | "reachable">;
  readonly state: Pick<StateFile, "boot" | "passBoot" | "save">;
  readonly peers: ReadonlyMap<string, Pick<Peer, "take">>;
  /** The time, in Unix ms. */
  readonly getTime: () => number;
  readonly onHeard: (publicKey: string) => void;
  /** Called when the candidates of a peer were taken over. */
  readonly onCandidates: (publicKey: string) => void;
  /** Called when a peer says whether it relays. */
  readonly onRelay: (publicKey: string, isRelay: boolean) => void;
  /** Called for an announce of an older boot: a host with this peer's key does not know the peer's last boot. */
  readonly onOlder: (publicKey: string) => void;
  readonly onWarning: (message: string) => void;
  readonly onError: (error: unknown) => void;
}

/** Handles the announces of the peers, by whichever way they came. */
export class Hearing {
  readonly #means: HearingMeans;
  #hasWarnedOfAnother = false;

  constructor(means: HearingMeans) {
    this.#means = means;
  }

  /**
   * Handles bytes from a peer, or from somebody who uses its name.
   * @param from - the address on a LAN that the bytes came from
   * @returns whether the peer does not know this host's current announce
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
    // The peer knows a later boot of this host than the current one, so the file that counts the boots was lost.
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

  /**
   * Two hosts with the same key push each other out. Only the host that started first warns. It does not raise its boot
   * number above the other's: otherwise both hosts would do so again and again.
   */
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
