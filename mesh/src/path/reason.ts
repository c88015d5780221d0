import type { NatVerdict, PeerState } from "../info.js";

/** The input for a reason. */
export interface Situation {
  readonly state: PeerState;
  /** The number of probed paths. */
  readonly candidates: number;
  /** Whether a path is proven that WireGuard does not use yet. */
  readonly isProven: boolean;
  /** Whether probes or answers of the peer came in recently. */
  readonly isHeard: boolean;
  /** Whether probes pass but WireGuard's packets do not. */
  readonly isFiltered: boolean;
  readonly ownNat: NatVerdict;
  readonly peerNat: NatVerdict;
}

/** Why a peer is in its state, in one sentence. */
export function reasonFor(situation: Situation): string {
  const { state, candidates, isProven, isHeard, isFiltered } = situation;
  if (state === "direct" || state === "relayed") {
    if (isFiltered) return "probes pass, but WireGuard's packets do not: something in between filters them";
    return state === "direct" ? "a direct path works" : "only a relayed path works";
  }
  if (isProven) return "a path is proven: the peer is about to choose";
  const obstacle = obstacleOf(situation);
  if (obstacle !== undefined) return obstacle;
  if (candidates === 0) return "no path yet: the peer has not told where it may be reached";
  if (isHeard) return "the peer's packets come in, but it does not answer on any path";
  const probing = `probing ${candidates} ${candidates === 1 ? "candidate" : "candidates"}`;
  if (state === "lost") return `no path works any more: ${probing}`;
  return `no path yet: the peer has not answered, ${probing}`;
}

/** An obstacle that further tries cannot overcome. */
function obstacleOf({ ownNat, peerNat }: Situation): string | undefined {
  if (ownNat === "blocked") return "UDP is blocked here: no direct path is possible";
  if (peerNat === "blocked") return "UDP is blocked at the peer: no direct path is possible";
  if (ownNat === "symmetric" && peerNat === "symmetric") {
    return "both NATs change their port with each destination (symmetric): no direct path is possible without a relay";
  }
  if (ownNat === "symmetric" && peerNat === "stable") return hardFor("the own NAT changes", "the peer's");
  if (ownNat === "stable" && peerNat === "symmetric") return hardFor("the peer's NAT changes", "the own");
  return undefined;
}

function hardFor(changing: string, other: string): string {
  return `${changing} its port with each destination (symmetric): a direct path needs ${other} NAT to let strangers in, or a relay`;
}
