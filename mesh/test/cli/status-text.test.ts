import pc from "picocolors";
import { describe, expect, it } from "vitest";
import { statusText } from "../../src/cli/status-text.js";
import { directPeer, KEY_A, KEY_B, KEY_C, NOW, someInfo, unmetPeer } from "../support/fake-mesh.js";

const plain = pc.createColors(false);

function shown(info = someInfo(), columns: number | undefined = undefined, paint = plain): string {
  return statusText(info, { now: NOW, columns, paint });
}

describe("status", () => {
  it("has a row for each peer, and the reason where there is no path", () => {
    expect(shown()).toBe(
      `lo  HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=  port 51820  up 1 h

peer       state   path        endpoint           round trip  handshake  received   sent  since
xTIBA5rb…  direct  direct NAT  203.0.113.9:51820       12 ms   42 s ago    1.2 MB  890 B  3 min
TrMvSoP4…  unmet   none        -                           -          -       0 B  148 B      -
  it has not been met: nothing was heard of it yet

NAT         a NAT that keeps one outside port for everybody
candidates  192.168.1.5:51820 (host), 198.51.100.7:51820 (reflexive)
brokers     1 of 2 connected
            other.example:1883: connection refused`,
    );
  });

  it("shows what routers gave", () => {
    const one = { family: 4, gateway: "192.168.1.1", internalPort: 51_820, error: undefined } as const;
    const text = shown(
      someInfo({
        portMappings: [
          {
            ...{ ...one, protocol: "pcp", external: "198.51.100.7:4444", isHint: false },
            endsAt: NOW + 3_600_000,
          },
          { ...one, protocol: "upnp-igd", external: "100.64.0.7:4444", isHint: true, endsAt: undefined },
          { ...one, protocol: undefined, external: undefined, isHint: false, endsAt: undefined },
        ],
      }),
    );
    expect(text).toContain("router      192.168.1.1 gives 198.51.100.7:4444 by PCP, for 1 h from now\n");
    expect(text).toContain(
      "100.64.0.7:4444 by UPnP; there is another NAT behind it, so peers are not told\n",
    );
    expect(text.match(/^router/gm)).toHaveLength(2);
  });

  it("names the relay of a path, and what this host relays", () => {
    const [KEY_R, KEY_S] = [KEY_C, KEY_B];
    const info = someInfo({
      peers: [
        directPeer({
          state: "relayed",
          path: { kind: "relay", endpoint: "10.9.0.4:40000", relay: KEY_R, roundTripMs: 30, since: NOW },
        }),
        unmetPeer({ publicKey: KEY_R, name: "relay-in-oslo" }),
      ],
      relaying: [
        {
          peers: [KEY_A, KEY_S],
          endpoint: "10.9.0.1:50000",
          since: NOW - 60_000,
          isOpen: true,
          packets: 9,
          bytes: 2_000_000,
          dropped: 3,
        },
      ],
    });
    expect(shown(info)).toMatch(/^xTIBA5rb… +relayed {2}relayed by relay-in-os… {2}10\.9\.0\.4:40000/m);
    expect(shown(info)).toContain("relaying    xTIBA5rb… and TrMvSoP4…: 2.0 MB in 1 min, 3 packets too many");
    for (const line of shown(info, 80).split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(shown(someInfo({ relaying: [] }))).toContain("relaying    for nobody now");
  });

  it("fits 80 columns: what does not fit into a row stands below it", () => {
    const info = someInfo({
      peers: [
        directPeer({ name: "ann" }),
        directPeer({
          path: { kind: "ipv6", endpoint: "[2001:db8::1234]:51820", roundTripMs: 1.5, since: NOW },
        }),
        unmetPeer({ reason: "both are behind NATs with another port for each destination, ".repeat(3) }),
      ],
      candidates: Array.from({ length: 9 }, (_, i) => ({
        kind: "host",
        endpoint: `[2001:db8::${i}]:51820`,
        ageS: 0,
      })),
    });
    const text = shown(info, 80);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toContain("  handshake 42 s ago, received 1.2 MB, sent 890 B, so for 3 min\n");
    expect(text).toContain("[2001:db8::8]:51820");
    expect(shown(info, 140)).not.toContain("so for");
  });

  it("says what to do where there are no peers", () => {
    expect(shown(someInfo({ peers: [] }))).toContain("No peers: add one with wg set");
  });

  it("colours the state, and nothing else where there are no colours", () => {
    const colours = pc.createColors(true);
    expect(shown(someInfo(), 140, colours)).toContain("\u001b[32mdirect\u001b[39m  direct NAT");
    expect(shown()).not.toContain("\u001b");
  });

  it("shows what comes from outside, and does not obey it", () => {
    const evil = "\u001b[2J\u202eevil\nline";
    const info = someInfo({
      peers: [
        unmetPeer({ name: evil, reason: evil }),
        directPeer({ path: { kind: "nat", endpoint: evil, roundTripMs: 1, since: NOW } }),
      ],
      candidates: [{ kind: "host", endpoint: evil, ageS: 0 }],
      brokers: [{ host: evil, port: 1, state: "waiting", error: evil }],
    });
    for (const columns of [undefined, 80]) {
      const text = shown(info, columns);
      expect(text).not.toContain("\u001b");
      expect(text).not.toContain("\u202e");
      expect(text).not.toContain("evil\n");
    }
  });
});
