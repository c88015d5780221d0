import { EventEmitter } from "node:events";
import { MeshError } from "../../src/errors.js";
import type { MeshInfo, PeerInfo, PingAnswer } from "../../src/info.js";
import type { MembershipReply } from "../../src/membership/requests.js";
import type { ChangeableOptions, MeshEvents } from "../../src/mesh-options.js";

export const KEY_A = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
export const KEY_B = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";
/** It begins as {@link KEY_B} does. */
export const KEY_C = "TrMvgB5xJx3GmIzBgbssQqY3vxI2Pi+y71lOWWXX0jQ=";
export const OWN_KEY = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";

/** 2026-11-29, 12:00 in Greenwich. */
export const NOW = 1_795_953_600_000;

export function directPeer(more: Partial<PeerInfo> = {}): PeerInfo {
  return {
    publicKey: KEY_A,
    state: "direct",
    path: { kind: "nat", endpoint: "203.0.113.9:51820", roundTripMs: 12.34, since: NOW - 200_000 },
    reason: "probes are answered",
    lastHandshakeAt: NOW - 42_000,
    receivedBytes: 1_234_567,
    sentBytes: 890,
    allowedIps: ["10.9.0.2/32"],
    ...more,
  };
}

export function unmetPeer(more: Partial<PeerInfo> = {}): PeerInfo {
  return {
    publicKey: KEY_B,
    state: "unmet",
    path: undefined,
    reason: "it has not been met: nothing was heard of it yet",
    lastHandshakeAt: undefined,
    receivedBytes: 0,
    sentBytes: 148,
    allowedIps: ["10.9.0.3/32"],
    ...more,
  };
}

export function someInfo(more: Partial<MeshInfo> = {}): MeshInfo {
  return {
    interface: "lo",
    publicKey: OWN_KEY,
    listenPort: 51820,
    since: NOW - 3_700_000,
    nat: "stable",
    candidates: [
      { kind: "host", endpoint: "192.168.1.5:51820", ageS: 3 },
      { kind: "reflexive", endpoint: "198.51.100.7:51820", ageS: 10 },
    ],
    portMappings: [],
    peers: [directPeer(), unmetPeer()],
    brokers: [
      { host: "broker.example", port: 8883, state: "open", error: undefined },
      { host: "other.example", port: 1883, state: "waiting", error: "connection refused" },
    ],
    ...more,
  };
}

/** A mesh that is what a test says. */
export class FakeMesh extends EventEmitter<MeshEvents> {
  now: MeshInfo = someInfo();
  answers: readonly PingAnswer[] = [
    { kind: "nat", endpoint: "203.0.113.9:51820", isInUse: true, roundTripMs: 12.3 },
    { kind: "ipv6", endpoint: "[2001:db8::9]:51820", isInUse: false, roundTripMs: undefined },
  ];
  readonly pinged: string[] = [];
  putBack: readonly string[] = [];
  closed = 0;

  look(): Promise<void> {
    return Promise.resolve();
  }

  info(): MeshInfo {
    if (this.closed > 0) throw new MeshError("CLOSED", "the mesh is closed");
    return this.now;
  }

  async ping(publicKey: string): Promise<readonly PingAnswer[]> {
    this.pinged.push(publicKey);
    return this.answers;
  }

  async membership(): Promise<MembershipReply> {
    return { did: "done", text: "It is done." };
  }

  readonly configured: ChangeableOptions[] = [];

  async configure(options: ChangeableOptions): Promise<void> {
    this.configured.push(options);
  }

  async close(): Promise<void> {
    this.closed++;
  }

  /** Changes something, and says so. */
  change(now: MeshInfo): void {
    this.now = now;
    for (const peer of now.peers) this.emit("peer", peer);
  }
}
