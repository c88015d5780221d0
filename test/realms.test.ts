import { randomUUID } from "node:crypto";
import { createContext, runInContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { aSignal, viewOf } from "../src/base/schema.js";
import { AppPacket, type Identity, Keypair, MessageType, Router } from "../src/index.js";
import { parseRouterOptions } from "../src/options.js";
import { messageOf } from "../src/sending/message-bytes.js";
import { open, seal } from "../src/wire/seal.js";

/** Another realm: its Uint8Array is not ours, as in an iframe, a vm context, or a test runner's environment. */
const realm = createContext({ own: Uint8Array });

function foreign(bytes: ArrayLike<number>): Uint8Array {
  // It is one, but of another realm's class.
  return runInContext(`new Uint8Array([${Array.from(bytes).join()}])`, realm) as Uint8Array;
}

const settings = parseRouterOptions({ getTime: Date.now });
const keys = Keypair.generate();

describe("a Uint8Array of another realm", () => {
  it("is not one by instanceof", () => {
    expect(foreign([1]) instanceof Uint8Array).toBe(false);
  });

  it("is bytes, in one's own realm's class", () => {
    const view = viewOf(foreign([1, 2, 3]));
    expect(view).toBeInstanceOf(Uint8Array);
    expect(view).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("is a message", () => {
    expect(messageOf(foreign([104, 105]), settings)).toEqual(Uint8Array.of(104, 105));
  });

  it("is a secret key", () => {
    expect(Keypair.fromSecretKey(foreign(keys.secretKey)).publicKeyHex).toBe(keys.publicKeyHex);
  });

  it("is what an identity has and gives, and what a packet is made of and read from", async () => {
    const identity: Identity = {
      publicKey: foreign(keys.publicKey),
      sign: async (part) => foreign(await keys.sign(foreign(part))),
      sharedSecret: (publicKey) => foreign(keys.sharedSecret(foreign(publicKey))),
    };
    expect(new Router(identity, { getTime: Date.now }).address).toBe(keys.publicKeyHex);
    const fields = { queueId: "ab".repeat(32), sequence: 3, timestamp: 1_700_000_000 };
    const payload = await AppPacket.pack(
      { ...fields, type: MessageType.Message, message: foreign([1, 2]) },
      identity,
    );
    const packet = await AppPacket.unpack(foreign(payload));
    expect(packet).toMatchObject({ ...fields, source: keys.publicKeyHex, message: Uint8Array.of(1, 2) });
    const context = { ...fields, source: keys.publicKeyHex, destination: keys.publicKeyHex };
    expect(await open(foreign(seal(Uint8Array.of(7), context)), context, identity)).toEqual(Uint8Array.of(7));
  });
});

describe("bytes", () => {
  it.each<[string, unknown]>([
    ["a Uint16Array", new Uint16Array(4)],
    ["an Int8Array", new Int8Array(4)],
    ["a Uint8ClampedArray", new Uint8ClampedArray(4)],
    ["a DataView", new DataView(new ArrayBuffer(4))],
    ["an ArrayBuffer", new ArrayBuffer(4)],
    ["a list of numbers", [1, 2, 3]],
    ["something that says so", { [Symbol.toStringTag]: "Uint8Array", length: 3 }],
    ["something made from one", Object.create(Uint8Array.of(1))],
    ["nothing", undefined],
    ["null", null],
    ["a number", 7],
  ])("%s is none", (_, value) => {
    expect(viewOf(value)).toBeUndefined();
    expect(() => messageOf(value, settings)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", path: "data" }),
    );
  });

  it("whose memory was given away are none", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect(() => messageOf(bytes, settings)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", path: "data" }),
    );
  });

  it("of a Buffer, of a part of one, and of shared memory are copied", () => {
    const buffer = Buffer.from("--hello--");
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    for (const [data, expected] of [
      [buffer.subarray(2, 7), "hello"],
      [shared, "\0\0"],
    ] as const) {
      const message = messageOf(data, settings);
      data.fill(1);
      expect(Buffer.from(message).toString()).toBe(expected);
      expect(message.buffer).toBeInstanceOf(ArrayBuffer);
      expect(message.constructor).toBe(Uint8Array);
    }
  });
});

describe("a signal", () => {
  it("of another realm, or of another make, is one", () => {
    const made = runInContext(
      `({ aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} })`,
      realm,
    );
    expect(aSignal(made, "INVALID_OPTION", "signal")).toBe(made);
    const { signal } = new AbortController();
    expect(aSignal(signal, "INVALID_OPTION", "signal")).toBe(signal);
  });

  it.each<[unknown]>([
    [null],
    [{}],
    [{ aborted: false }],
    [new EventTarget()],
    [new AbortController()],
    [() => {}],
    [randomUUID()],
  ])("is nothing else: %o", (value) => {
    expect(() => aSignal(value, "INVALID_OPTION", "signal")).toThrow("an AbortSignal");
  });
});
