import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noteOthers, noteUntouched, type PeerRecord, recordUse } from "../../src/device/changes.js";
import type { DevicePeer, DeviceState } from "../../src/device/state.js";
import { restorePeers } from "../../src/device/undo.js";

const KEY = `${"A".repeat(43)}=`;

/** What happens to a peer. */
type Event =
  /** We use an endpoint. */
  | { readonly type: "use"; readonly endpoint: string; readonly isFresh: boolean }
  /** A packet came from somewhere, and WireGuard sends there now. */
  | { readonly type: "roam"; readonly endpoint: string }
  /** The user sets something, and we look at it before a packet comes. */
  | { readonly type: "user"; readonly endpoint?: string; readonly keepaliveS?: number }
  /** The user removes the peer, and adds it again. */
  | { readonly type: "again"; readonly endpoint: string | undefined }
  | { readonly type: "look" };

const ours = fc.constantFrom("192.0.2.1:1", "192.0.2.2:2", "192.0.2.3:3");
const theirs = fc.constantFrom("198.51.100.1:1", "198.51.100.2:2");
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant("use" as const), endpoint: ours, isFresh: fc.boolean() }),
  fc.record({ type: fc.constant("roam" as const), endpoint: fc.oneof(ours, fc.constant("203.0.113.9:9")) }),
  fc.record({ type: fc.constant("user" as const), endpoint: theirs }),
  fc.record({ type: fc.constant("user" as const), keepaliveS: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ type: fc.constant("again" as const), endpoint: fc.option(theirs, { nil: undefined }) }),
  fc.record({ type: fc.constant("look" as const) }),
);

/** A peer of WireGuard, and what is to be there in the end. */
class Model {
  peer: DevicePeer;
  wanted: { endpoint: string | undefined; keepaliveS: number };
  records: Record<string, PeerRecord> = {};
  untouched: Record<string, PeerRecord> = {};

  constructor(endpointText: string | undefined, keepaliveS: number) {
    this.peer = {
      publicKey: KEY,
      presharedKey: undefined,
      endpoint: undefined,
      endpointText,
      allowedIps: [],
      lastHandshake: undefined,
      receivedBytes: 0,
      sentBytes: 0,
      keepaliveS,
    };
    this.wanted = { endpoint: endpointText, keepaliveS };
    this.look();
  }

  get state(): DeviceState {
    return {
      name: "wg0",
      privateKey: undefined,
      publicKey: undefined,
      listenPort: 1,
      fwmark: 0,
      peers: [this.peer],
    };
  }

  get isChanged(): boolean {
    return this.records[KEY] !== undefined;
  }

  look(): void {
    this.records = noteOthers(this.records, this.state).peers;
    this.untouched = noteUntouched(this.untouched, this.records, this.state);
  }

  set(change: Partial<DevicePeer>): void {
    this.peer = { ...this.peer, ...change };
  }

  happen(event: Event): void {
    if (event.type === "use") {
      this.look();
      const use = { endpoint: event.endpoint, keepaliveS: 25, isFresh: event.isFresh };
      this.records = {
        ...this.records,
        [KEY]: recordUse(this.records[KEY] ?? this.untouched[KEY], this.peer, use),
      };
      this.set({
        endpointText: event.endpoint,
        keepaliveS: 25,
        ...(event.isFresh ? { receivedBytes: 0 } : {}),
      });
      // An answer.
      this.set({ receivedBytes: this.peer.receivedBytes + 92 });
    } else if (event.type === "roam") {
      this.set({ endpointText: event.endpoint, receivedBytes: this.peer.receivedBytes + 32 });
    } else if (event.type === "user") {
      this.look();
      if (event.endpoint !== undefined) {
        this.wanted.endpoint = event.endpoint;
        this.set({ endpointText: event.endpoint });
      }
      if (event.keepaliveS !== undefined) {
        this.wanted.keepaliveS = event.keepaliveS;
        this.set({ keepaliveS: event.keepaliveS });
      }
    } else if (event.type === "again") {
      this.look();
      this.wanted = { endpoint: event.endpoint, keepaliveS: 0 };
      this.set({ endpointText: event.endpoint, keepaliveS: 0, receivedBytes: 0 });
    }
    this.look();
  }

  /** What there is after all was put back. */
  restored(): { endpoint: string | undefined; keepaliveS: number } {
    this.look();
    const [command] = restorePeers(this.records, this.state);
    if (command === undefined) return { endpoint: this.peer.endpointText, keepaliveS: this.peer.keepaliveS };
    const { args } = command;
    const word = (name: string): string | undefined =>
      args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
    const kept = args.includes("remove") ? undefined : this.peer.endpointText;
    return { endpoint: word("endpoint") ?? kept, keepaliveS: Number(word("persistent-keepalive")) };
  }
}

describe("what is put back", () => {
  it("is what was there before us, or what the user made of it since", () => {
    fc.assert(
      fc.property(
        fc.option(theirs, { nil: undefined }),
        fc.integer({ min: 0, max: 20 }),
        fc.array(event, { maxLength: 12 }),
        (endpoint, keepaliveS, events) => {
          const model = new Model(endpoint, keepaliveS);
          for (const one of events) model.happen(one);
          // Where a peer that we never changed sends by itself is none of our business.
          const { endpointText } = model.peer;
          const wanted = model.isChanged ? model.wanted : { ...model.wanted, endpoint: endpointText };
          expect(model.restored()).toEqual(wanted);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("is not where the other side was found first", () => {
    const model = new Model(undefined, 0);
    model.happen({ type: "roam", endpoint: "203.0.113.9:9" });
    model.happen({ type: "use", endpoint: "192.0.2.1:1", isFresh: false });
    expect(model.restored()).toEqual({ endpoint: undefined, keepaliveS: 0 });
  });

  it("does not bring a removed peer back, and remembers little", () => {
    const model = new Model(undefined, 0);
    for (let i = 1; i < 100; i++) model.happen({ type: "use", endpoint: `192.0.2.1:${i}`, isFresh: false });
    expect(model.records[KEY]?.endpoints).toHaveLength(16);
    const gone = { ...model.state, peers: [] };
    expect(noteOthers(model.records, gone)).toEqual({ peers: {}, isChanged: true });
    expect(restorePeers(model.records, gone)).toEqual([]);
  });
});
