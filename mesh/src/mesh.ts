import { EventEmitter } from "node:events";
import type { BrokerPool } from "sidewire";
import type { CandidateInfo, MeshInfo, PeerInfo, PingAnswer } from "./info.js";

/** What a mesh is opened with. */
export interface MeshOptions {
  /** The WireGuard interface, as it is configured. */
  readonly interface: string;
  /** The signaling brokers. Default: sidewire's public ones. */
  readonly brokers?: BrokerPool | undefined;
  /** STUN servers, `host:port`. Default: a bundled list of public ones. */
  readonly stun?: readonly string[] | undefined;
  /** Where things are remembered over a restart. Default: `/var/lib/sidewire-mesh`. */
  readonly stateFolder?: string | undefined;
  /** The time, Unix ms. Default: `Date.now`. */
  readonly getTime?: (() => number) | undefined;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

/** What a mesh tells. */
export interface MeshEvents {
  /** A peer's state or path has changed. */
  peer: [peer: PeerInfo];
  /** The own candidates have changed. */
  candidates: [candidates: readonly CandidateInfo[]];
  /** Something that a person should know of, in one sentence. */
  warning: [message: string];
}

/** Looks after one WireGuard interface. */
export class Mesh extends EventEmitter<MeshEvents> implements AsyncDisposable {
  static async open(_options: MeshOptions): Promise<Mesh> {
    throw new Error("not wired yet");
  }

  /** Everything that is known now. */
  info(): MeshInfo {
    throw new Error("not wired yet");
  }

  peers(): readonly PeerInfo[] {
    return this.info().peers;
  }

  candidates(): readonly CandidateInfo[] {
    return this.info().candidates;
  }

  /** Asks a peer on every path that may work. */
  async ping(_publicKey: string, _options?: { signal?: AbortSignal }): Promise<readonly PingAnswer[]> {
    throw new Error("not wired yet");
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
