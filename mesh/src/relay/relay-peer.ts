import type { Prefix } from "../ip/prefix.js";
import type { Fact } from "../path/facts.js";
import type { PathMachine } from "../path/machine.js";

/** The part of a peer that relaying uses. */
export interface RelayPeer {
  readonly machine: Pick<PathMachine, "snapshot">;
  readonly allowedIps: readonly Prefix[];
  take(fact: Fact): void;
}

/** Sends a message to a peer on a path. Resolves with whether the peer has received it. */
export type Tell = (peer: string, path: string, bytes: Uint8Array) => Promise<boolean>;

/**
 * The direct path to a peer, if it is in use and works. A relayed path does not count, because relays are never
 * chained.
 */
export function directPathOf(peer: RelayPeer | undefined): string | undefined {
  const { state, path } = peer?.machine.snapshot(performance.now()) ?? {};
  return state === "direct" && path?.isProven ? path.name : undefined;
}
