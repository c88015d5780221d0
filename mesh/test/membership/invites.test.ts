import { type InboundMessage, Keypair, Router } from "sidewire";
import { expect, it } from "vitest";
import { joinKeysOf } from "../../src/membership/invite-keys.js";
import { Invites } from "../../src/membership/invites.js";
import { readJoinAnswer, writeJoinRequest } from "../../src/membership/join-message.js";
import { publicKeyOf } from "../../src/wireguard-key.js";
import { bytesOf, signerOf } from "../support/roster.js";

const SECRET = bytesOf("secret").subarray(0, 16);
const ADMIN = bytesOf("admin");
const admin = publicKeyOf(ADMIN);

/** A host that invites, at an address of its own that no broker leads to. */
function inviting() {
  let hear: (message: InboundMessage) => void = () => {};
  const admitted: string[] = [];
  const invites = new Invites({
    openAddress: (_, { onMessage }) => {
      hear = onMessage;
      return new Router(Keypair.generate(), { getTime: Date.now, brokers: { IPv4: {}, IPv6: {} } });
    },
    keys: () => ({ privateKey: ADMIN, publicKey: admin }),
    admit: async (_, __, { name }) => {
      admitted.push(name);
      return "member";
    },
    statements: () => [new Uint8Array(500), new Uint8Array(500)],
    onError: (error) => expect.unreachable(String(error)),
  });
  const secret = Buffer.from(SECRET).toString("base64");
  invites.set([{ secret, expires: 9, uses: 9, approve: false, joined: [] }]);
  const replies: Uint8Array[] = [];
  const asks = async (data: Uint8Array): Promise<void> => {
    const reply = async (bytes: Uint8Array | string): Promise<number> => replies.push(Buffer.from(bytes));
    hear({ data, reply } as Partial<InboundMessage> as InboundMessage);
    await new Promise(setImmediate);
  };
  return { invites, admitted, replies, asks };
}

function requestOf(name: string, secret: Uint8Array = SECRET) {
  const key = bytesOf(name);
  const keys = joinKeysOf(secret, key, admin, publicKeyOf(key), admin);
  return {
    keys,
    bytes: writeJoinRequest(keys, publicKeyOf(key), { name, isNameFixed: false }, signerOf(name)),
  };
}

it("answers a newcomer that asks again, but not without end: each answer is the whole roster", async () => {
  const { invites, admitted, replies, asks } = inviting();
  const web = requestOf("web");
  for (let i = 0; i < 50; i++) await asks(web.bytes);
  expect(replies.length).toBeGreaterThan(0);
  expect(replies.length).toBeLessThan(8);
  expect(readJoinAnswer(web.keys, web.bytes, replies[0] ?? new Uint8Array())?.answer).toBe("member");
  // Another one is answered all the same.
  const before = replies.length;
  await asks(requestOf("db").bytes);
  expect([replies.length - before, admitted.at(-1)]).toEqual([1, "db"]);
  invites.close();
});

it("says nothing to who guesses the secret, and a guess uses up nobody's requests", async () => {
  const { invites, admitted, replies, asks } = inviting();
  for (let i = 0; i < 50; i++) await asks(requestOf("web", bytesOf(`guess ${i}`).subarray(0, 16)).bytes);
  for (const bytes of [new Uint8Array(), new Uint8Array(200), new Uint8Array(33).fill(1)]) await asks(bytes);
  expect([replies, admitted]).toEqual([[], []]);
  await asks(requestOf("web").bytes);
  expect(admitted).toEqual(["web"]);
  invites.close();
});
