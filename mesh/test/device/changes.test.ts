import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noteFound, type PeerRecord } from "../../src/device/changes.js";
import { keepaliveFor } from "../../src/device/plan.js";
import type { DevicePeer, DeviceState } from "../../src/device/state.js";
import { restorePeers } from "../../src/device/undo.js";

/** What happens to a peer. */
type Event =
  /** It is made to use an endpoint, by us. */
  | { readonly type: "use"; readonly endpoint: string }
  /** A packet came from somewhere, and WireGuard sends there now; or the user says so. */
  | { readonly type: "move"; readonly endpoint: string }
  | { readonly type: "user"; readonly keepaliveS: number }
  | { readonly type: "remove" };

const KEYS = ["A", "B", "C"].map((letter) => `${letter.repeat(43)}=`);
const endpoints = fc.constantFrom("192.0.2.1:1", "192.0.2.2:2", "[2001:db8::3]:3");
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant("use" as const), endpoint: endpoints }),
  fc.record({ type: fc.constant("move" as const), endpoint: endpoints }),
  fc.record({ type: fc.constant("user" as const), keepaliveS: fc.integer({ min: 0, max: 20 }) }),
  fc.record({ type: fc.constant("remove" as const) }),
);

const found = fc.record({
  endpointText: fc.option(endpoints, { nil: undefined }),
  keepaliveS: fc.constantFrom(0, 17, 25),
});

function peerOf(publicKey: string, peer: Pick<DevicePeer, "endpointText" | "keepaliveS">): DevicePeer {
  return {
    publicKey,
    presharedKey: undefined,
    endpoint: undefined,
    allowedIps: [],
    lastHandshake: undefined,
    receivedBytes: 0,
    sentBytes: 0,
    ...peer,
  };
}

const stateOf = (peers: ReadonlyMap<string, DevicePeer>): DeviceState => ({
  name: "wg0",
  privateKey: undefined,
  publicKey: undefined,
  listenPort: 1,
  fwmark: 0,
  peers: [...peers.values()],
});

/** What there is of a peer after all was put back. */
function restored(records: Readonly<Record<string, PeerRecord>>, peer: DevicePeer): unknown {
  const [command] = restorePeers(records, stateOf(new Map([[peer.publicKey, peer]])));
  const { endpointText, keepaliveS } = peer;
  if (command === undefined) return { endpointText, keepaliveS };
  const word = (name: string): string | undefined =>
    command.args.includes(name) ? command.args[command.args.indexOf(name) + 1] : undefined;
  const kept = command.args.includes("remove") ? undefined : endpointText;
  return { endpointText: word("endpoint") ?? kept, keepaliveS: Number(word("persistent-keepalive")) };
}

describe("what is put back", () => {
  it("is each peer as it was found, whoever moved it; a keepalive of the user's stays, and so does what he removed", () => {
    fc.assert(
      fc.property(
        fc.array(found, { minLength: 1, maxLength: 3 }),
        fc.array(fc.tuple(fc.nat(2), event), { maxLength: 12 }),
        (all, events) => {
          const peers = new Map(all.map((one, i) => [KEYS[i] ?? "", peerOf(KEYS[i] ?? "", one)]));
          const wanted = new Map(all.map((one, i) => [KEYS[i] ?? "", { ...one }]));
          let { peers: records } = noteFound({}, stateOf(peers));
          for (const [i, one] of events) {
            const key = KEYS[i] ?? "";
            const peer = peers.get(key);
            const want = wanted.get(key);
            if (peer === undefined || want === undefined) continue;
            if (one.type === "use")
              peers.set(key, { ...peer, endpointText: one.endpoint, keepaliveS: keepaliveFor(peer) });
            else if (one.type === "move") peers.set(key, { ...peer, endpointText: one.endpoint });
            else if (one.type === "user") peers.set(key, { ...peer, keepaliveS: one.keepaliveS });
            else peers.delete(key);
            const shown = peers.get(key);
            records = noteFound(records, stateOf(peers)).peers;
            if (shown === undefined) expect(records[key]).toBeUndefined();
          }
          for (const [key, peer] of peers) {
            const before = wanted.get(key);
            if (before === undefined) throw new Error("it was not there");
            const isOurs = peer.keepaliveS === 25 || peer.keepaliveS === keepaliveFor(before);
            const keepaliveS = isOurs ? before.keepaliveS : peer.keepaliveS;
            expect(restored(records, peer)).toEqual({ endpointText: before.endpointText, keepaliveS });
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("is known of each peer from when it is first seen, and written only then", () => {
    const peers = new Map([
      [KEYS[0] ?? "", peerOf(KEYS[0] ?? "", { endpointText: undefined, keepaliveS: 0 })],
    ]);
    const first = noteFound({}, stateOf(peers));
    expect(first.isChanged).toBe(true);
    expect(noteFound(first.peers, stateOf(peers))).toEqual({ peers: first.peers, isChanged: false });
    peers.set(KEYS[1] ?? "", peerOf(KEYS[1] ?? "", { endpointText: "192.0.2.9:9", keepaliveS: 7 }));
    const second = noteFound(first.peers, stateOf(peers));
    expect(second.isChanged).toBe(true);
    expect(second.peers[KEYS[1] ?? ""]).toEqual({ endpoint: "192.0.2.9:9", keepaliveS: 7 });
    peers.delete(KEYS[0] ?? "");
    expect(Object.keys(noteFound(second.peers, stateOf(peers)).peers)).toEqual([KEYS[1]]);
  });
});

describe("a peer that rests", () => {
  const [A = ""] = KEYS;
  const resting = (keepaliveS: number): DevicePeer => ({
    ...peerOf(A, { endpointText: "127.0.0.1:7", keepaliveS }),
    endpoint: { address: "127.0.0.1", family: 4, port: 7 },
  });
  const found = { [A]: { endpoint: "192.0.2.1:1", keepaliveS: 17 } };

  it("gets the keepalive back that we took, and keeps one that the user gave it", () => {
    expect(restored(found, resting(0))).toEqual({ endpointText: "192.0.2.1:1", keepaliveS: 17 });
    expect(restored(found, resting(9))).toEqual({ endpointText: "192.0.2.1:1", keepaliveS: 9 });
  });
});
