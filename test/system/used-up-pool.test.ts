import { pbkdf2 } from "node:crypto";
import { describe, expect, it } from "vitest";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { median, poolOf, record, startPeer, use } from "../support/peers.js";

/** So long a hash takes on one of these machines' cores: half a second, about. */
const ROUNDS = 1_000_000;

describe("an application that uses up the thread pool", () => {
  it("gets its messages through all the same", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    let hashing = 16;
    const hashes = Promise.all(
      Array.from({ length: hashing }, async () => {
        await new Promise((resolve) => pbkdf2("password", "salt", ROUNDS, 64, "sha512", resolve));
        hashing--;
      }),
    );
    const roundTrips: number[] = [];
    const sent: string[] = [];
    // As long as no thread can be free.
    while (hashing > 4) {
      const text = `message ${sent.length}`;
      sent.push(text);
      const batch = await Promise.all([pipe.deliver(text), pipe.deliver(`${text}, again`)]);
      sent.push(`${text}, again`);
      roundTrips.push(...batch.map(({ roundTripMs }) => roundTripMs));
    }
    // Each would wait for whole hashes: with the pool alone, it is one or two seconds.
    expect(sent.length).toBeGreaterThan(20);
    expect(median(roundTrips)).toBeLessThan(400);
    expect(shown.map((message) => message.text())).toEqual(sent);
    await hashes;
  });
});
