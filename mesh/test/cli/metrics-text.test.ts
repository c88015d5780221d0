import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { metricsText } from "../../src/cli/metrics-text.js";
import { directPeer, KEY_A, KEY_B, NOW, someInfo, unmetPeer } from "../support/fake-mesh.js";

/** A line of the text format: a comment, or a metric with its labels and value. */
const LINE =
  /^(# (HELP|TYPE) sidewire_mesh_[a-z_]+ .+|sidewire_mesh_[a-z_]+\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\} -?[0-9.e+-]+)$/;

const linesOf = (text: string): string[] => text.trimEnd().split("\n");

describe("metrics", () => {
  it("tell of peers, brokers and the host, in bytes and seconds", () => {
    const text = metricsText(
      someInfo({ peers: [directPeer({ name: "laptop" }), unmetPeer({})], since: NOW }),
    );
    const peer = directPeer({});
    expect(text).toContain(
      `# HELP sidewire_mesh_peer_received_bytes_total What WireGuard received.\n# TYPE sidewire_mesh_peer_received_bytes_total counter\nsidewire_mesh_peer_received_bytes_total{interface="lo",peer="${peer.publicKey}",name="laptop"} ${peer.receivedBytes}\n`,
    );
    expect(text).toContain('sidewire_mesh_peers{interface="lo",state="direct"} 1\n');
    expect(text).toContain('sidewire_mesh_peers{interface="lo",state="lost"} 0\n');
    expect(text).toContain(`sidewire_mesh_start_time_seconds{interface="lo"} ${NOW / 1000}\n`);
    expect(text).toContain(',path="nat"} 0.01234\n');
    expect(text).toContain(
      'sidewire_mesh_broker_connected{interface="lo",host="other.example",port="1883"} 0\n',
    );
    // What is not known is left out.
    expect(text.match(/^sidewire_mesh_peer_last_handshake_seconds/gm)).toHaveLength(1);
    expect(text).not.toContain("relay_bytes");
    for (const line of linesOf(text)) expect(line).toMatch(LINE);
  });

  it("tell what a relay passes on", () => {
    const session = {
      endpoint: "10.9.0.4:40000",
      since: NOW,
      isOpen: true,
      packets: 7,
      bytes: 900,
      dropped: 1,
    };
    const text = metricsText(someInfo({ relaying: [{ ...session, peers: [KEY_A, KEY_B] }] }));
    const labels = `{interface="lo",one="${KEY_A}",other="${KEY_B}"}`;
    expect(text).toContain(`sidewire_mesh_relay_bytes_total${labels} 900\n`);
    expect(text).toContain(`sidewire_mesh_relay_packets_total${labels} 7\n`);
    expect(text).toContain(`sidewire_mesh_relay_dropped_packets_total${labels} 1\n`);
  });

  it("tell what TURN servers do", () => {
    const [lent, refused] = [
      { server: "turn.example:3478", relayed: "192.0.2.9:50000", peers: 2, error: undefined },
      { server: "other.example:3478", relayed: undefined, peers: 0, error: "it refuses the password" },
    ];
    const text = metricsText(someInfo({ turn: [lent, refused] }));
    for (const line of linesOf(text)) expect(line).toMatch(LINE);
    expect(text).toContain('sidewire_mesh_turn_allocated{interface="lo",server="turn.example:3478"} 1\n');
    expect(text).toContain('sidewire_mesh_turn_allocated{interface="lo",server="other.example:3478"} 0\n');
    expect(text).toContain('sidewire_mesh_turn_peers{interface="lo",server="turn.example:3478"} 2\n');
    expect(metricsText(someInfo({}))).not.toContain("turn");
  });

  it("are lines of the format whatever a name or a broker's host is", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (name, host) => {
        const broker = { host, port: 1, state: "open", error: undefined };
        const text = metricsText(someInfo({ peers: [directPeer({ name })], brokers: [broker] }));
        for (const line of linesOf(text)) expect(line).toMatch(LINE);
      }),
    );
  });
});
