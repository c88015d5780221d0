import { describe, expect, it } from "vitest";
import { IdleWatch, tunnelBytes } from "../src/idle-watch.js";

const INITIATION = 148;
const RESPONSE = 92;
const KEEPALIVE = 32;
/** An echo request of `ping`, as WireGuard counts it. */
const PING = 128;
/** Between two looks while nothing flows, ms. */
const LOOK_MS = 15_000;

/** Lets time pass from look to look, each with what WireGuard counted since the one before. */
class Watched {
  readonly watch = new IdleWatch({ receivedBytes: 500, sentBytes: 700 }, 0);
  #now = 0;
  #counters = { receivedBytes: 500, sentBytes: 700 };

  look(received: number, sent: number, elapsedMs: number = LOOK_MS): number {
    this.#now += elapsedMs;
    const { receivedBytes, sentBytes } = this.#counters;
    this.#counters = { receivedBytes: receivedBytes + received, sentBytes: sentBytes + sent };
    this.watch.look(this.#counters, this.#now);
    return this.watch.idleMs(this.#now);
  }

  /** The peer is made anew. */
  renew(): void {
    this.#counters = { receivedBytes: 0, sentBytes: 0 };
  }
}

describe("a tunnel", () => {
  it.each([
    ["nothing", 0, 0],
    ["keepalives", KEEPALIVE, KEEPALIVE],
    ["a handshake", INITIATION, RESPONSE],
    ["a handshake, and what confirms it", RESPONSE, INITIATION + KEEPALIVE],
    ["handshakes in vain", 0, 3 * INITIATION],
  ])("is idle while there is no more than %s", (_, received, sent) => {
    const watched = new Watched();
    for (let i = 1; i <= 8; i++) expect(watched.look(received, sent)).toBe(i * LOOK_MS);
  });

  it.each([
    ["a ping", PING, 0],
    ["the answer to a ping", 0, PING],
    ["a ping beside keepalives", PING + KEEPALIVE, PING + KEEPALIVE],
    ["a download", 1_000_000, 20_000],
  ])("is not idle after %s", (_, received, sent) => {
    const watched = new Watched();
    watched.look(0, 0);
    expect(watched.look(received, sent)).toBe(0);
    expect(watched.look(0, 0)).toBe(LOOK_MS);
  });

  it("is idle while we talk in it ourselves, also when WireGuard counts that a look later", () => {
    const watched = new Watched();
    const bytes = 333;
    watched.watch.pass("sent", bytes);
    expect(watched.look(0, 0)).toBe(LOOK_MS);
    watched.watch.pass("received", bytes);
    expect(watched.look(tunnelBytes(bytes), tunnelBytes(bytes) + KEEPALIVE)).toBe(2 * LOOK_MS);
  });

  it("is not idle when what we said was lost, and as much of somebody else comes long after", () => {
    const watched = new Watched();
    watched.watch.pass("sent", 333);
    for (let i = 0; i < 3; i++) watched.look(0, 0);
    expect(watched.look(0, tunnelBytes(333))).toBe(0);
  });

  it("counts from 0 when the peer is made anew", () => {
    const watched = new Watched();
    watched.renew();
    expect(watched.look(RESPONSE, INITIATION)).toBe(LOOK_MS);
    watched.renew();
    expect(watched.look(PING, 0)).toBe(0);
  });

  it("takes a datagram for what WireGuard makes of it", () => {
    // IPv6, UDP and 8 bytes: 56, filled up to 64, and 32 around it.
    expect(tunnelBytes(8)).toBe(96);
    expect(tunnelBytes(16)).toBe(96);
    expect(tunnelBytes(17)).toBe(112);
  });
});
