import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinKeysOf, meetingPlaceOf } from "../../src/membership/invite-keys.js";
import {
  newcomerOf,
  readJoinAnswer,
  readJoinRequest,
  readStatements,
  writeJoinAnswer,
  writeJoinRequest,
} from "../../src/membership/join-message.js";
import {
  isSyncMessage,
  PATH_BYTES,
  readSyncMessage,
  writeStatements,
  writeSummary,
} from "../../src/membership/sync-message.js";
import { formatToken, parseToken } from "../../src/membership/token.js";
import { publicKeyOf } from "../../src/wireguard-key.js";
import { admit, bytesOf, foundedBy, promote, signerOf } from "../support/roster.js";

const SECRET = bytesOf("secret").subarray(0, 16);
const ADMIN = bytesOf("admin");
const NEWCOMER = bytesOf("newcomer");
const admin = publicKeyOf(ADMIN);
const newcomer = publicKeyOf(NEWCOMER);
const keysThere = joinKeysOf(SECRET, NEWCOMER, admin, newcomer, admin);
const keysHere = joinKeysOf(SECRET, ADMIN, newcomer, newcomer, admin);
const request = { name: "web", isNameFixed: true };
const signer = signerOf("web");

describe("a token", () => {
  const brokers = { IPv4: { "192.0.2.1": { port: 1883, weight: 1 } }, IPv6: {} };
  const token = { network: "office", admin, secret: SECRET, expires: 1_800_000_000, brokers };

  it("comes back as it was, with its brokers or without", () => {
    expect(parseToken(` ${formatToken(token)}\n`)).toEqual({ ...token, brokers: { ...brokers } });
    const short = formatToken({ ...token, brokers: undefined });
    expect(short.length).toBeLessThan(100);
    expect(parseToken(short).brokers).toBeUndefined();
  });

  it("with one letter wrong, missing or too many is refused, and not shown", () => {
    const text = formatToken(token);
    const wrong = Array.from(
      text,
      (letter, i) => text.slice(0, i) + (letter === "A" ? "B" : "A") + text.slice(i + 1),
    );
    for (const one of [...wrong, text.slice(0, -1), `${text}A`, "", "swm1_", text.repeat(20)]) {
      let message = "";
      try {
        parseToken(one);
      } catch (error) {
        message = String(error);
      }
      expect(message).toMatch(/this is no token/);
      expect(message).not.toContain(text.slice(8, 20));
    }
  });

  it("is read from no other text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => parseToken(`swm1_${Buffer.from(bytes).toString("base64url")}`)).toThrow(/no token/);
      }),
    );
  });
});

describe("a join", () => {
  it("has a meeting place that only the secret tells", () => {
    expect(meetingPlaceOf(SECRET).publicKeyHex).toBe(meetingPlaceOf(SECRET).publicKeyHex);
    expect(meetingPlaceOf(SECRET).publicKeyHex).not.toBe(
      meetingPlaceOf(bytesOf("x").subarray(0, 16)).publicKeyHex,
    );
  });

  it("is understood by the admin, who is answered for this request alone", () => {
    const bytes = writeJoinRequest(keysThere, newcomer, request, signer);
    expect(newcomerOf(bytes)).toEqual(newcomer);
    expect(readJoinRequest(keysHere, bytes)).toEqual({ ...request, signer: signer.publicKey });
    const statements = Array.from({ length: 300 }, (_, i) => new Uint8Array(250).fill(i));
    const parts = writeJoinAnswer(keysHere, bytes, "member", statements).map((part) =>
      readJoinAnswer(keysThere, bytes, part),
    );
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.flatMap((part) => part?.statements ?? [])).toEqual(statements);
    const [other] = writeJoinAnswer(
      keysHere,
      writeJoinRequest(keysThere, newcomer, request, signer),
      "used",
      [],
    );
    expect(readJoinAnswer(keysThere, bytes, other ?? new Uint8Array())).toBeUndefined();
  });

  it("is nothing to whoever has found the token but has not the admin's key", () => {
    const bytes = writeJoinRequest(keysThere, newcomer, request, signer);
    const finder = bytesOf("finder");
    const keys = joinKeysOf(SECRET, finder, newcomer, newcomer, publicKeyOf(finder));
    expect(readJoinRequest(keys, bytes)).toBeUndefined();
    const [answer] = writeJoinAnswer(keys, bytes, "member", []);
    expect(readJoinAnswer(keysThere, bytes, answer ?? new Uint8Array())).toBeUndefined();
    // Nor to whoever knows the admin's key by chance, and has no token.
    const without = joinKeysOf(new Uint8Array(16), ADMIN, newcomer, newcomer, admin);
    expect(readJoinRequest(without, bytes)).toBeUndefined();
  });

  it("is by the owner of the signing key that it names: an admin's is known to everybody", () => {
    const claimed = { publicKey: signerOf("ann").publicKey, sign: (bytes: Uint8Array) => signer.sign(bytes) };
    const bytes = writeJoinRequest(keysThere, newcomer, request, claimed);
    expect(readJoinRequest(keysHere, bytes)).toBeUndefined();
    // Nor does what the owner has signed for another key serve a second one.
    const thief = bytesOf("thief");
    const stolen = publicKeyOf(thief);
    const theirs = joinKeysOf(SECRET, thief, admin, stolen, admin);
    const here = joinKeysOf(SECRET, ADMIN, stolen, stolen, admin);
    const own = writeJoinRequest(theirs, stolen, request, signer);
    expect(readJoinRequest(here, own)).toBeDefined();
    let signature = new Uint8Array();
    const recorded = (said: Uint8Array): Uint8Array => {
      signature = new Uint8Array(signer.sign(said));
      return signature;
    };
    writeJoinRequest(keysThere, newcomer, request, { publicKey: signer.publicKey, sign: recorded });
    const repeated = { publicKey: signer.publicKey, sign: () => signature };
    expect(readJoinRequest(here, writeJoinRequest(theirs, stolen, request, repeated))).toBeUndefined();
  });

  it("is read from no bytes that were changed", () => {
    const bytes = writeJoinRequest(keysThere, newcomer, request, signer);
    const [answer = new Uint8Array()] = writeJoinAnswer(keysHere, bytes, "member", [new Uint8Array(9)]);
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(200), (at, change, length) => {
        const flip = (whole: Uint8Array): Uint8Array => {
          const copy = Uint8Array.from(whole);
          copy[at % copy.length] = (copy[at % copy.length] ?? 0) ^ change;
          return copy;
        };
        expect(readJoinRequest(keysHere, flip(bytes))).toBeUndefined();
        expect(readJoinAnswer(keysThere, bytes, flip(answer))).toBeUndefined();
        if (length < bytes.length)
          expect(readJoinRequest(keysHere, bytes.subarray(0, length))).toBeUndefined();
        if (length < answer.length)
          expect(readJoinAnswer(keysThere, bytes, answer.subarray(0, length))).toBeUndefined();
      }),
    );
  });
});

describe("what members tell each other", () => {
  const roster = foundedBy("ann");
  admit(roster, "ann", "ben", 2);
  promote(roster, "ann", "ben");
  admit(roster, "ben", "web", 3);

  it("comes back as it was, and fits a datagram", () => {
    const summary = writeSummary(roster.network, roster.marks(), true);
    expect(readSyncMessage(summary)).toEqual({
      ...{ type: "summary", network: roster.network, marks: roster.marks(), wantsAnswer: true },
    });
    expect(isSyncMessage(summary)).toBe(true);
    const statements = roster.taken.map(({ bytes }) => bytes);
    const messages = writeStatements(roster.network, statements, PATH_BYTES);
    for (const message of messages) expect(message.length).toBeLessThanOrEqual(PATH_BYTES);
    const read = messages
      .map(readSyncMessage)
      .flatMap((one) => (one?.type === "statements" ? one.statements : []));
    expect(read).toEqual(statements);
  });

  it("is no announce, and nothing of other bytes is more than it may be", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.constantFrom(1, 2, 3, 9), (bytes, type) => {
        const message = readSyncMessage(Uint8Array.of(3, type, ...bytes));
        if (message?.type === "summary") expect(message.marks.length).toBeLessThanOrEqual(16);
        if (message?.type === "statements")
          for (const one of message.statements) expect(one.length).toBeLessThanOrEqual(900);
      }),
    );
    expect(readStatements(Uint8Array.of(0))).toBeUndefined();
    expect(readStatements(Uint8Array.of(0, 0))).toBeUndefined();
    expect(readStatements(Uint8Array.of(0xff, 0xff, 1))).toBeUndefined();
    expect(readSyncMessage(new Uint8Array(70_000).fill(3))).toBeUndefined();
  });
});
