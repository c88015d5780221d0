import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Keypair } from "../../src/wire/identity.js";
import { AppPacket, MessageType } from "../../src/wire/packet.js";
import { makeBench, START } from "./receiving.js";

describe("an ACK", () => {
  it("says something that whoever asked for it cannot know beforehand, in ASCII", async () => {
    const [keys, stranger] = [Keypair.generate(), Keypair.generate()];
    const texts: string[] = [];
    const { receiver, slot } = await makeBench(keys, {
      onPublish: (_, payload) => texts.push(Buffer.from(payload.subarray(142)).toString("latin1")),
    });
    const timestamp = START / 1000;
    for (const type of [MessageType.Message, MessageType.Probe, MessageType.Message, MessageType.Probe]) {
      const queueId = randomBytes(32).toString("hex");
      const fields = { queueId, sequence: 0, timestamp, type, message: new Uint8Array() };
      await receiver.receive(slot, await AppPacket.pack(fields, stranger));
    }
    await receiver.end();
    expect(texts).toHaveLength(4);
    for (const text of texts) expect(text).toMatch(/^ack [0-9a-f]{32}$/);
    expect(new Set(texts).size).toBe(4);
  });
});
