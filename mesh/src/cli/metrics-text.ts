import type { MeshInfo, PeerInfo, PeerState, RelaySession } from "../info.js";

type Labels = Readonly<Record<string, string>>;

/** A value with its labels. */
type Sample = readonly [labels: Labels, value: number];

interface Metric {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly samples: readonly Sample[];
}

const STATES: readonly PeerState[] = ["asleep", "unmet", "probing", "relayed", "direct", "lost"];

/**
 * Everything that a daemon knows as text for Prometheus. Units are bytes and seconds; times are Unix times in seconds.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/ for the text format, 0.0.4
 */
export function metricsText(info: MeshInfo): string {
  return metricsOf(info)
    .filter(({ samples }) => samples.length > 0)
    .map((metric) => written(metric, info.interface))
    .join("");
}

function metricsOf(info: MeshInfo): Metric[] {
  const { since, nat, peers, brokers, relaying = [], turn = [], facts, troubles = [] } = info;
  const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({
    ...{ name, type: "gauge", help, samples },
  });
  const counter = (name: string, help: string, samples: readonly Sample[]): Metric => ({
    ...{ name: `${name}_total`, type: "counter", help, samples },
  });
  const ofPeers = (read: (peer: PeerInfo) => number): Sample[] =>
    peers.map((peer) => [labelsOf(peer), read(peer)]);
  const ofRelayed = (read: (session: RelaySession) => number): Sample[] =>
    relaying.map((session) => [{ one: session.peers[0], other: session.peers[1] }, read(session)]);
  return [
    gauge("start_time_seconds", "Since when the daemon runs.", [[{}, since / 1000]]),
    gauge("nat_info", "What the NATs before this host do with a port.", [[{ verdict: nat }, 1]]),
    gauge(
      "peers",
      "Peers in each state.",
      STATES.map((state) => [{ state }, peers.filter((peer) => peer.state === state).length]),
    ),
    counter(
      "peer_received_bytes",
      "What WireGuard received.",
      ofPeers(({ receivedBytes }) => receivedBytes),
    ),
    counter(
      "peer_sent_bytes",
      "What WireGuard sent.",
      ofPeers(({ sentBytes }) => sentBytes),
    ),
    gauge(
      "peer_last_handshake_seconds",
      "When WireGuard's last handshake was; missing where there was none.",
      peers.flatMap((peer) => sampleOf(labelsOf(peer), peer.lastHandshakeAt)),
    ),
    gauge(
      "peer_round_trip_seconds",
      "Round trip on the path in use; missing where there is none.",
      peers.flatMap((peer) =>
        sampleOf({ ...labelsOf(peer), path: peer.path?.kind ?? "" }, peer.path?.roundTripMs),
      ),
    ),
    gauge(
      "broker_connected",
      "Whether a broker is connected.",
      brokers.map(({ host, port, state }) => [{ host, port: `${port}` }, state === "open" ? 1 : 0]),
    ),
    gauge("relay_sessions", "Pairs of peers that this host relays for.", [[{}, relaying.length]]),
    counter(
      "relay_bytes",
      "What was passed on for a pair of peers.",
      ofRelayed(({ bytes }) => bytes),
    ),
    counter(
      "relay_packets",
      "Packets that were passed on for a pair of peers.",
      ofRelayed(({ packets }) => packets),
    ),
    counter(
      "relay_dropped_packets",
      "Packets that were more than may pass.",
      ofRelayed(({ dropped }) => dropped),
    ),
    gauge(
      "turn_allocated",
      "Whether a TURN server lends this host an address.",
      turn.map(({ server, relayed }) => [{ server }, relayed === undefined ? 0 : 1]),
    ),
    gauge(
      "turn_peers",
      "Peers that are reached by a TURN server.",
      turn.map(({ server, peers: reached }) => [{ server }, reached]),
    ),
    gauge(
      "peer_alive",
      "Whether a peer has said in the tunnel that its daemon runs.",
      ofPeers(({ isAlive }) => (isAlive === true ? 1 : 0)),
    ),
    gauge(
      "facts",
      "Facts of peers that are held; missing while peers tell none.",
      facts === undefined ? [] : [[{}, facts]],
    ),
    gauge("troubles", "What status says is wrong, sentences.", [[{}, troubles.length]]),
  ];
}

function labelsOf({ publicKey, name = "" }: PeerInfo): Labels {
  return { peer: publicKey, name };
}

/** No sample for a missing value, because a missing value is not 0. */
function sampleOf(labels: Labels, ms: number | undefined): Sample[] {
  return ms === undefined ? [] : [[labels, ms / 1000]];
}

function written({ name, type, help, samples }: Metric, device: string): string {
  const full = `sidewire_mesh_${name}`;
  const lines = samples.map(
    ([labels, value]) => `${full}{${label({ interface: device, ...labels })}} ${value}`,
  );
  return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...lines, ""].join("\n");
}

function label(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.join(",");
}

function escaped(value: string): string {
  return value.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n");
}
