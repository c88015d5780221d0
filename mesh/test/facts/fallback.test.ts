import { describe, expect, it } from "vitest";
import { FALLBACK } from "../../src/facts/constants.js";
import { Fallback, type FallbackPeer } from "../../src/facts/fallback.js";
import { formatPrefix, parsePrefix } from "../../src/ip/prefix.js";

const prefixes = (...texts: readonly string[]) => texts.flatMap((text) => parsePrefix(text) ?? []);
const peer = (publicKey: string, ...allowedIps: readonly string[]): FallbackPeer => ({
  ...{ publicKey, allowedIps: prefixes(...allowedIps) },
});
const LEAF = peer("leaf", "10.9.0.2/32", "10.8.0.2/32", "fd00::2/128", "fe80::2/128");
const ROUTER = peer("router", "10.9.0.0/24", "fd00::/64");
const { guardMs, patienceMs } = FALLBACK;

/** Lets one fallback live: at each time, who is healthy; what was decided is what is withheld the next time. */
class Life {
  readonly #fallback = new Fallback(0);
  #peers: readonly FallbackPeer[];

  constructor(...peers: readonly FallbackPeer[]) {
    this.#peers = peers;
  }

  at(now: number, ...healthy: readonly string[]): Record<string, string[]> {
    const fallen = this.#fallback.decide(this.#peers, (name) => healthy.includes(name), now);
    this.#peers = this.#peers.map((one) => ({ ...one, withheld: fallen.get(one.publicKey) }));
    return Object.fromEntries([...fallen].map(([name, ips]) => [name, ips.map(formatPrefix)]));
  }

  /** The peers are others from now on. */
  become(...peers: readonly FallbackPeer[]): void {
    const before = new Map(this.#peers.map((one) => [one.publicKey, one.withheld]));
    this.#peers = peers.map((one) => ({ ...one, withheld: before.get(one.publicKey) }));
  }
}

const TAKEN = { leaf: ["10.9.0.2/32", "fd00::2/128"] };

describe("what is for a peer that cannot be reached", () => {
  it("is left to a router around it after a time, and given back at once", () => {
    const life = new Life(LEAF, ROUTER);
    expect(life.at(guardMs + 1, "router")).toEqual({});
    expect(life.at(guardMs + patienceMs, "router")).toEqual({});
    expect(life.at(guardMs + patienceMs + 1, "router")).toEqual(TAKEN);
    expect(life.at(guardMs + patienceMs + 2, "router", "leaf")).toEqual({});
  });

  it("is not taken soon after a start", () => {
    const life = new Life(LEAF, ROUTER);
    expect(life.at(0, "router")).toEqual({});
    expect(life.at(guardMs, "router")).toEqual({});
    expect(life.at(guardMs + 1, "router")).toEqual(TAKEN);
  });

  it("stays with one that comes and goes faster than that", () => {
    const life = new Life(LEAF, ROUTER);
    for (let now = guardMs; now < 2 * guardMs; now += patienceMs) {
      expect(life.at(now, "router")).toEqual({});
      expect(life.at(now + patienceMs - 1, "router", "leaf")).toEqual({});
    }
  });

  it("stays where no router is around it, and where the router cannot be reached either", () => {
    const far = new Life(LEAF, peer("router", "10.7.0.0/16"), peer("exit", "0.0.0.0/0", "::/0"));
    far.at(0);
    expect(far.at(2 * guardMs, "router", "exit")).toEqual({});
    const lost = new Life(LEAF, ROUTER);
    lost.at(0);
    expect(lost.at(2 * guardMs)).toEqual({});
  });

  it("stays with the router while that is lost for a while, too", () => {
    const life = new Life(LEAF, ROUTER);
    life.at(0, "router");
    expect(life.at(2 * guardMs, "router")).toEqual(TAKEN);
    expect(life.at(2 * guardMs + 1)).toEqual(TAKEN);
  });

  it("is given back when no router is around it any more", () => {
    const life = new Life(LEAF, ROUTER);
    life.at(0, "router");
    expect(life.at(2 * guardMs, "router")).toEqual(TAKEN);
    life.become(LEAF, peer("router", "fd00::/64"));
    expect(life.at(2 * guardMs + 1, "router")).toEqual({ leaf: ["fd00::2/128"] });
    life.become(LEAF);
    expect(life.at(2 * guardMs + 2)).toEqual({});
  });

  it("is never taken from a router", () => {
    const life = new Life(ROUTER, peer("other", "10.9.0.3/32", "10.9.0.128/25"));
    life.at(0, "router");
    expect(life.at(2 * guardMs, "router")).toEqual({});
  });

  it("is taken after the whole time again from a peer that was away", () => {
    const life = new Life(LEAF, ROUTER);
    life.at(0, "router");
    life.become(ROUTER);
    life.at(guardMs, "router");
    life.become(LEAF, ROUTER);
    expect(life.at(2 * guardMs, "router")).toEqual({});
    expect(life.at(2 * guardMs + patienceMs, "router")).toEqual(TAKEN);
  });
});
