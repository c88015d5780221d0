import { createHash } from "node:crypto";
import { type Prefix, parsePrefix } from "../../src/ip/prefix.js";
import type { Fact } from "../../src/path/facts.js";
import type { Snapshot } from "../../src/path/snapshot.js";
import { decodeRelayMessage, type RelayMessage } from "../../src/relay/message.js";
import type { RelayPeer } from "../../src/relay/relay-peer.js";

/** A public key that follows from a name. */
export const keyOf = (name: string): string => createHash("sha256").update(name).digest("base64");

/** A peer whose state a test sets, and that notes what it is told. */
export class FakeRelayPeer implements RelayPeer {
  state: Snapshot["state"];
  isProven = true;
  readonly facts: Fact[] = [];
  readonly allowedIps: readonly Prefix[];
  readonly machine: RelayPeer["machine"];

  constructor(state: Snapshot["state"], ...allowedIps: readonly string[]) {
    this.state = state;
    this.allowedIps = allowedIps.flatMap((text) => parsePrefix(text) ?? []);
    this.machine = { snapshot: () => this.#snapshot() };
  }

  take(fact: Fact): void {
    this.facts.push(fact);
  }

  #snapshot(): Snapshot {
    const { state, isProven } = this;
    const hasPath = state === "direct" || state === "relayed";
    const path = { name: "203.0.113.1:51820", kind: "nat", roundTripMs: 1, isProven, sinceMs: 0 } as const;
    return { state, reason: "", others: [], path: hasPath ? path : undefined };
  }
}

/** Notes what is told, to whom, and on which path. */
export class Told {
  readonly messages: (RelayMessage & { readonly to: string; readonly path: string })[] = [];
  /** What telling resolves with. */
  arrives = true;

  readonly tell = async (to: string, path: string, bytes: Uint8Array): Promise<boolean> => {
    const message = decodeRelayMessage(bytes);
    if (message === undefined) throw new Error("it cannot be read");
    this.messages.push({ ...message, to, path });
    return this.arrives;
  };

  /** What was told since the last call. */
  take(): (RelayMessage & { readonly to: string; readonly path: string })[] {
    return this.messages.splice(0);
  }
}
