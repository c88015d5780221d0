import { randomBytes } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { Delivery } from "../../src/sending/delivery.js";
import type { Outbox } from "../../src/sending/outbox.js";
import { Keypair } from "../../src/wire/identity.js";
import { MessageType } from "../../src/wire/packet.js";
import { makeConnections, makeLinks } from "../support/links.js";
import { layOut, makeBench, START } from "./receiving.js";

/** How many strangers are checked at once; one place more is kept for the first rank. */
const STRANGERS_AT_ONCE = 3;

interface Scene {
  /** Whose signatures are being checked, in the order in which that began; ends as the test says. */
  readonly checks: { readonly source: string; readonly end: (valid: boolean) => void }[];
  readonly outbox: Outbox<Delivery>;
  receive(source: Uint8Array, type: number, queueId?: Uint8Array, sequence?: number): void;
}

/** A receiver that knows one peer. */
async function scene(known: Keypair): Promise<Scene> {
  const keys = Keypair.generate();
  const checks: Scene["checks"] = [];
  const { receiver, slot, outbox } = await makeBench(keys, {
    isKnown: (address) => address === known.publicKeyHex,
    verify: (_, __, publicKey) =>
      new Promise((end) => checks.push({ source: Buffer.from(publicKey).toString("hex"), end })),
  });
  return {
    checks,
    outbox,
    receive(source, type, queueId = randomBytes(32), sequence = 0) {
      const fields = { source, queueId, sequence, type, timestamp: START / 1000, message: randomBytes(1) };
      void receiver.receive(slot, layOut(fields));
    },
  };
}

function crowd({ receive }: Scene): void {
  for (let i = 0; i < 10; i++)
    receive(Buffer.concat([Uint8Array.of(2), randomBytes(32)]), MessageType.Message);
}

/** A message that waits for its ACK. */
function waiting(to: string): Delivery {
  const links = makeLinks(makeConnections());
  return new Delivery({
    links,
    to,
    payload: new Uint8Array(),
    route: [],
    fanOut: 1,
    arrivingMs: 0,
    onLeaving: () => {},
  });
}

describe("while strangers take all the checks that are theirs", () => {
  it("an ACK that is waited for is checked at once, and a known peer's new queue before more strangers", async () => {
    const known = Keypair.generate();
    const here = await scene(known);
    crowd(here);
    await vi.waitFor(() => expect(here.checks).toHaveLength(STRANGERS_AT_ONCE));
    here.receive(known.publicKey, MessageType.Message);
    const queueId = randomBytes(32);
    const to = Keypair.generate();
    const place = { to: to.publicKeyHex, queueId: queueId.toString("hex"), sequence: 0 };
    const plan = { newestFirst: true, answerMs: 0, leavingMs: 0, widenAfterMs: 1e6, timeoutMs: 1e6 };
    here.outbox.add(waiting(to.publicKeyHex), { ...place, ...plan }, 0);
    expect(here.checks).toHaveLength(STRANGERS_AT_ONCE);
    here.receive(to.publicKey, MessageType.Ack, queueId);
    await vi.waitFor(() => expect(here.checks.at(STRANGERS_AT_ONCE)?.source).toBe(to.publicKeyHex));
    here.checks[0]?.end(false);
    await vi.waitFor(() => expect(here.checks.at(STRANGERS_AT_ONCE + 1)?.source).toBe(known.publicKeyHex));
  });

  it("so is what goes on in a known peer's queue, and not a queue that only claims to be his", async () => {
    const known = Keypair.generate();
    const here = await scene(known);
    const queueId = randomBytes(32);
    here.receive(known.publicKey, MessageType.Message, queueId, 0);
    await vi.waitFor(() => expect(here.checks).toHaveLength(1));
    here.checks[0]?.end(true);
    await new Promise((resolve) => setImmediate(resolve));
    crowd(here);
    await vi.waitFor(() => expect(here.checks).toHaveLength(1 + STRANGERS_AT_ONCE));
    for (let i = 0; i < 3; i++) here.receive(known.publicKey, MessageType.Message);
    here.receive(known.publicKey, MessageType.Message, queueId, 1);
    await vi.waitFor(() => expect(here.checks).toHaveLength(2 + STRANGERS_AT_ONCE));
    expect(here.checks.at(-1)?.source).toBe(known.publicKeyHex);
    // Nothing of the claims has a place.
    await new Promise((resolve) => setImmediate(resolve));
    expect(here.checks).toHaveLength(2 + STRANGERS_AT_ONCE);
  });
});
