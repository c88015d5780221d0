import * as fc from "fast-check";
import type { Candidate } from "../../../src/candidates/candidate.js";
import { formatEndpoint } from "../../../src/ip/endpoint.js";
import type { Fact, View } from "../../../src/path/facts.js";

/** Anything that a machine may be told, by a peer that lies and a WireGuard that does what it likes. */

const endpoint: fc.Arbitrary<Candidate["endpoint"]> = fc.oneof(
  fc.record({
    address: fc.nat(11).map((n) => `203.0.113.${n + 1}`),
    family: fc.constant(4 as const),
    port: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({
    address: fc.constantFrom("2001:db8::1", "2001:db8::2"),
    family: fc.constant(6 as const),
    port: fc.integer({ min: 1, max: 9 }),
  }),
);

const path = fc.oneof(
  { weight: 20, arbitrary: endpoint.map(formatEndpoint) },
  { weight: 1, arbitrary: fc.constantFrom("", "no endpoint", "203.0.113.1:0", "[::1%lo]:1") },
);

const view: fc.Arbitrary<View> = fc.record({
  isProven: fc.boolean(),
  isChosen: fc.boolean(),
  asksForHandshake: fc.boolean(),
});

const candidate: fc.Arbitrary<Candidate> = fc.record({
  kind: fc.constantFrom("host" as const, "reflexive" as const, "mapped" as const, "configured" as const),
  endpoint,
  ageS: fc.nat(100_000),
});

const verdict = fc.constantFrom(
  "open" as const,
  "stable" as const,
  "symmetric" as const,
  "blocked" as const,
  "unknown" as const,
);

const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({
    type: fc.constant("candidates" as const),
    candidates: fc.array(candidate, { maxLength: 60 }),
    isNews: fc.boolean(),
    wantsAnswer: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("introduced" as const),
    candidates: fc.array(candidate, { maxLength: 20 }),
  }),
  fc.record({ type: fc.constant("answered" as const), path, roundTripMs: fc.nat(3_000), view }),
  fc.record({ type: fc.constant("probed" as const), path, view }),
  fc.record({
    type: fc.constant("wireguard" as const),
    endpoint: fc.option(path, { nil: undefined }),
    receivedBytes: fc.nat(5_000),
    sentBytes: fc.nat(5_000),
    handshakeAt: fc.option(fc.nat(200_000), { nil: undefined }),
  }),
  fc.record({ type: fc.constant("nat" as const), own: verdict, peer: verdict }),
  fc.constant<Fact>({ type: "own-candidates" }),
  fc.constant<Fact>({ type: "network-changed" }),
  fc.constant<Fact>({ type: "time" }),
);

/** What one machine is told, and how long after the fact before; undefined: when it asked to be told the time. */
export interface Told {
  readonly afterMs: number | undefined;
  readonly fact: Fact;
}

export const told: fc.Arbitrary<readonly Told[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(undefined), fc.nat(50), fc.nat(10_000)),
    fact,
  }),
  { maxLength: 40 },
);
