import { expect, it } from "vitest";
import { type Host, World } from "./world/world.js";

/**
 * How long a host takes at most to have its tunnel back, ms: the 5 s of T3 of the plan. They are WireGuard's own, between
 * two tries of a handshake; it adds up to 334 ms by chance, and the handshake takes two round trips.
 */
const BACK_MS = 5000 + 334 + 80;

/** Each begins at another moment between two probes, two keepalives and two handshakes. */
const MOMENTS = Array.from({ length: 12 }, (_, i) => i);

const received = ({ wireGuard }: Host): number => wireGuard.receivedBytes;

/** Everything that a host sends or is sent is lost, and no broker is there. */
function cut(world: World, isCut: boolean): void {
  for (const from of [0, 1] as const) world.link(from, "ipv4").isCut = isCut;
  if (isCut) world.hasBrokers = false;
}

it.each(
  [5, 60, 300].flatMap(
    (seconds) =>
      [
        { seconds, nat: "open", what: "used" },
        { seconds, nat: "restricted", what: "used" },
        { seconds, nat: "open", what: "idle" },
        { seconds, nat: "restricted", what: "idle" },
      ] as const,
  ),
)(
  "a tunnel that was $what is back within 5 s of an outage of $seconds s, NATs: $nat, brokers: never",
  ({ seconds, nat, what }) => {
    for (const moment of MOMENTS) {
      const world = new World({ seed: moment, hosts: [{ ipv4: nat }, { ipv4: nat }] });
      const use = (isUsed: boolean): void => {
        for (const host of world.hosts) host.hasTraffic = isUsed;
      };
      use(what === "used");
      world.runTill(() => world.isConnected, 60_000);
      world.runUntil(world.now + 20_000 + moment * 3371);
      cut(world, true);
      world.runUntil(world.now + seconds * 1000);
      cut(world, false);
      use(true);
      const backAt = world.now;
      const before = world.hosts.map(received);
      const isBack = (): boolean =>
        world.isConnected && world.hosts.every((host, i) => received(host) !== before[i]);
      const took = (world.runTill(isBack, backAt + 60_000) ?? Number.POSITIVE_INFINITY) - backAt;
      expect(took, `moment ${moment}`).toBeLessThanOrEqual(BACK_MS);
    }
  },
);
