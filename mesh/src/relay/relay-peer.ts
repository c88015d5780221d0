import type { Prefix } from "../ip/prefix.js";
import type { Fact } from "../path/facts.js";
import type { PathMachine } from "../path/machine.js";

/** What relays, and those who use them, need of a peer. */
export interface RelayPeer {
  readonly machine: Pick<PathMachine, "snapshot">;
  readonly allowedIps: readonly Prefix[];
  take(fact: Fact): void;
}

/** Tells a peer something on a path; resolves with whether the peer has it. */
export type Tell = (peer: string, path: string, bytes: Uint8Array) => Promise<boolean>;

/** The direct path to a peer, if it is in use and works. A relayed one is none: relays are not put one behind the other. */
export function directPathOf(peer: RelayPeer | undefined): string | undefined {
  const { state, path } = peer?.machine.snapshot(performance.now()) ?? {};
  return state === "direct" && path?.isProven ? path.name : undefined;
}
