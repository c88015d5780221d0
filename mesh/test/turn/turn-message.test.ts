import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SHA1_INTEGRITY, StunMessage, writeStun } from "../../src/probe/stun-message.js";
import { longTermKey } from "../../src/turn/long-term.js";
import {
  channelHead,
  lifetime,
  lifetimeIn,
  readChannel,
  readData,
  readMessage,
  TurnAttribute,
  writeSend,
} from "../../src/turn/turn-message.js";
import { parseTurnServers } from "../../src/turn/turn-server.js";
import { endpointOf } from "../support/fake-turn-server.js";

/** RFC 5769, section 2.4: a request with long-term credentials. */
const LONG_TERM: Buffer = Buffer.from(
  `000100602112a44278ad3433c6ad72c029da412e
   00060012e3839ee38388e383aae38383e382afe382b90000
   0015001c662f2f3439396b3935346436
   4f4c33346f4c394653547679
   36347341 0014000b6578616d706c652e6f726700
   00080014f67024656dd64a3e02b8e0712e85c9a28ca89666`.replaceAll(/\s/g, ""),
  "hex",
);

describe("long-term credentials", () => {
  it("sign as RFC 5769 has it", () => {
    const message = StunMessage.read(LONG_TERM);
    const realm = message?.attribute(TurnAttribute.Realm) ?? new Uint8Array();
    const username = Buffer.from(message?.attribute(TurnAttribute.Username) ?? []).toString();
    expect(Buffer.from(realm).toString()).toBe("example.org");
    expect(username).toBe("マトリックス");
    const key = longTermKey({ username, password: "TheMatrIX" }, realm);
    expect(message?.isSignedBy(key, SHA1_INTEGRITY)).toBe(true);
    const other = longTermKey({ username, password: "thematrix" }, realm);
    expect(message?.isSignedBy(other, SHA1_INTEGRITY)).toBe(false);
    if (message === undefined) throw new Error("unread");
    const attributes = [TurnAttribute.Username, TurnAttribute.Nonce, TurnAttribute.Realm].map(
      (type) => [type, message.attribute(type) ?? new Uint8Array()] as const,
    );
    expect(Buffer.from(writeStun(1, message.transaction, attributes, key, SHA1_INTEGRITY))).toEqual(
      LONG_TERM,
    );
  });
});

describe("what a TURN server sends", () => {
  it("is read as it was written", () => {
    const data = Buffer.from("something");
    const sent = StunMessage.read(writeSend(endpointOf("192.0.2.7:4000"), data));
    expect(sent?.xoredAddressIn(TurnAttribute.XorPeerAddress)).toEqual(endpointOf("192.0.2.7:4000"));
    expect(Buffer.from(sent?.attribute(TurnAttribute.Data) ?? [])).toEqual(data);
    const inChannel = Buffer.concat([channelHead(0x4001, data.length), data]);
    expect(readChannel(inChannel)).toEqual({ channel: 0x4001, data });
    expect(readChannel(Buffer.concat([inChannel, Buffer.alloc(3)]))).toEqual({ channel: 0x4001, data });
    const refreshed = StunMessage.read(writeStun(0x0104, new Uint8Array(12), [lifetime(600)]));
    expect(refreshed && lifetimeIn(refreshed)).toBe(600);
  });

  it.each([
    ["shorter than a head", "4001 00"],
    ["shorter than it says", "4001 0005 61626364"],
    ["longer than it says by more than a padding", "4001 0001 61000000 00"],
    ["with a number that no channel has", "5000 0004 61626364"],
  ])("is no data of a channel when it is %s", (_, hex) => {
    expect(readChannel(Buffer.from(hex.replaceAll(" ", ""), "hex"))).toBeUndefined();
  });

  it("may be any bytes", () => {
    const valid = [
      Buffer.from(writeSend(endpointOf("192.0.2.7:4000"), Buffer.from("data"))),
      Buffer.concat([channelHead(0x4000, 4), Buffer.from("data")]),
      LONG_TERM,
    ];
    const broken = fc
      .tuple(fc.constantFrom(...valid), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat())
      .map(([bytes, at, value, cut]) => {
        const copy = Buffer.from(bytes);
        copy[at % copy.length] = value;
        return copy.subarray(0, copy.length - (cut % 3));
      });
    const any = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(broken, any), (bytes) => {
        const inChannel = readChannel(bytes);
        if (inChannel !== undefined) expect(inChannel.data.length).toBeLessThanOrEqual(bytes.length - 4);
        const message = readMessage(bytes);
        // A message and data of a channel differ in their first two bits.
        if (message !== undefined) expect(inChannel).toBeUndefined();
        const data = message && readData(message);
        if (data !== undefined) expect(data.data.length).toBeLessThan(bytes.length);
        if (message !== undefined) lifetimeIn(message);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a TURN server", () => {
  it.each([
    ["turn:turn.example.org", "turn.example.org", 3478],
    ["turn:turn.example.org:5000?transport=udp", "turn.example.org", 5000],
    ["TURN:[2001:db8::1]:3479", "2001:db8::1", 3479],
  ])("is named by %s", (url, host, port) => {
    expect(parseTurnServers([{ url }])).toEqual([{ host, port, credentials: undefined }]);
  });

  it.each([
    ["turns:turn.example.org", /TLS is not spoken/],
    ["turn:turn.example.org?transport=tcp", /TCP is not spoken/],
    ["turn://turn.example.org", /turn:HOST:PORT is expected/],
    ["turn:turn.example.org:0", /turn:HOST:PORT is expected/],
    ["turn:[fe80::1%eth0]", /turn:HOST:PORT is expected/],
    ["stun:turn.example.org", /turn:HOST:PORT is expected/],
    ["turn:user@turn.example.org", /turn:HOST:PORT is expected/],
  ])("is not named by %s", (url, message) => {
    expect(() => parseTurnServers([{ url }])).toThrow(message);
  });

  it("has a username and a password, or neither, and there are not too many", () => {
    const url = "turn:turn.example.org";
    expect(() => parseTurnServers([{ url, username: "ann" }])).toThrow(/a username and a password/);
    expect(() => parseTurnServers([{ url, username: "ann", password: "x".repeat(509) }])).toThrow(
      /508 bytes/,
    );
    expect(() => parseTurnServers(Array.from({ length: 9 }, () => ({ url })))).toThrow(/at most 8/);
  });
});
