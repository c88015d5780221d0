import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import {
  decodeRelayMessage,
  encodeRelayMessage,
  isRelayMessage,
  type RelayMessage,
} from "../../src/relay/message.js";
import { formatKey } from "../../src/wireguard-key.js";

const peer = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatKey);
const id = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const endpoint = fc
  .constantFrom("10.9.0.3:1", "192.0.2.1:65535", "[fd00::3]:51820", "[2001:db8::1]:9")
  .map((text) => parseEndpoint(text) ?? { address: "10.9.0.3", family: 4 as const, port: 1 });
const reason = fc.constantFrom("off", "no-peer", "no-path", "no-address", "full", "failed" as const);

const messages: fc.Arbitrary<RelayMessage> = fc.oneof(
  fc.record({ type: fc.constant("request" as const), peer }),
  fc.record({ type: fc.constant("allocated" as const), peer, id, endpoint }),
  fc.record({ type: fc.constant("refused" as const), peer, reason }),
  fc.record({ type: fc.constant("bind" as const), id }),
  fc.record({ type: fc.constant("released" as const), peer, id }),
);

describe("what a relay and its users say", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = encodeRelayMessage(message);
        expect(isRelayMessage(bytes)).toBe(true);
        expect(decodeRelayMessage(bytes)).toEqual(message);
      }),
    );
  });

  it("has one spelling: what else is read at all is written so again", () => {
    const head = fc.tuple(fc.constant(2), fc.integer({ min: 0, max: 6 }));
    const anything = fc
      .tuple(head, fc.uint8Array({ maxLength: 70 }))
      .map(([first, rest]) => Uint8Array.from([...first, ...rest]));
    const damaged = fc
      .tuple(messages, fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([message, at, value]) => {
        const bytes = Uint8Array.from(encodeRelayMessage(message));
        bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(anything, damaged), (bytes) => {
        const message = decodeRelayMessage(bytes);
        if (message !== undefined)
          expect(Buffer.from(encodeRelayMessage(message))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it("is refused when it is cut or longer", () => {
    fc.assert(
      fc.property(messages, fc.nat(), (message, cut) => {
        const bytes = encodeRelayMessage(message);
        // An address of IPv6 that is cut may be one of IPv4: what it says then is checked by whoever takes it.
        const short = bytes.subarray(0, cut % bytes.length);
        if (message.type !== "allocated") expect(decodeRelayMessage(short)).toBeUndefined();
        expect(decodeRelayMessage(Buffer.concat([bytes, Uint8Array.of(0)]))).toBeUndefined();
      }),
    );
  });

  it("is no announce, and no announce is one", () => {
    expect(decodeRelayMessage(new Uint8Array(512).fill(1))).toBeUndefined();
    expect(decodeRelayMessage(new Uint8Array())).toBeUndefined();
  });
});
