import type pc from "picocolors";
import type { MeshInfo, PeerInfo, PortMappingInfo, RelaySession, TurnInfo } from "../info.js";
import { bytes, count, milliseconds, peerName, printable, span, wrapped } from "./printable.js";
import { table } from "./table.js";
import { brokersInWords, NATS, nameOf, PROTOCOLS, pathInWords } from "./words.js";

export interface Look {
  /** Unix ms. */
  readonly now: number;
  /** The width of the terminal; undefined for no limit. */
  readonly columns: number | undefined;
  readonly paint: ReturnType<typeof pc.createColors>;
}

type Column = readonly [title: string, cell: (peer: PeerInfo, now: number, all: MeshInfo["peers"]) => string];

const NONE = "-";

const FIRST: readonly Column[] = [
  ["peer", (peer) => peerName(peer)],
  ["state", ({ state }) => state],
  ["path", ({ path }, _now, all) => (path === undefined ? "none" : pathInWords(path, all))],
  ["endpoint", ({ path }) => (path === undefined ? NONE : printable(path.endpoint))],
  [">round trip", ({ path }) => (path?.roundTripMs === undefined ? NONE : milliseconds(path.roundTripMs))],
];

const REST: readonly Column[] = [
  [
    ">handshake",
    ({ lastHandshakeAt }, now) =>
      lastHandshakeAt === undefined ? NONE : `${span(now - lastHandshakeAt)} ago`,
  ],
  [">received", ({ receivedBytes }) => bytes(receivedBytes)],
  [">sent", ({ sentBytes }) => bytes(sentBytes)],
  [">since", ({ path }, now) => (path === undefined ? NONE : span(now - path.since))],
];

/** Everything that the daemon knows, for people. */
export function statusText(info: MeshInfo, look: Look): string {
  const troubles = (info.troubles ?? []).map((one) =>
    look.paint.yellow(wrapped(`! ${printable(one)}`, look.columns)),
  );
  const parts = [head(info, look), ...troubles, peers(info.peers, look), foot(info, look)];
  return parts.join("\n\n");
}

function head({ interface: name, publicKey, listenPort, since }: MeshInfo, { now, paint }: Look): string {
  return `${paint.bold(printable(name))}  ${printable(publicKey)}  port ${listenPort}  up ${span(now - since)}`;
}

function peers(all: MeshInfo["peers"], { now, columns = Number.POSITIVE_INFINITY, paint }: Look): string {
  if (all.length === 0) return "No peers: add one with wg set, or to the configuration, or invite one.";
  const rows = (of: readonly Column[]): string[][] =>
    all.map((peer) => of.map(([, cell]) => cell(peer, now, all)));
  const made = (of: readonly Column[]): string[] =>
    table(
      of.map(([title]) => title),
      rows(of),
      (text) => text,
    ).split("\n");
  const wide = made([...FIRST, ...REST]);
  const isWide = wide.every((line) => line.length <= columns);
  const [titles = "", ...lines] = isWide ? wide : made(FIRST);
  const parts = lines.flatMap((line, i) => {
    const peer = all[i];
    if (peer === undefined) return [line];
    const more = isWide ? [] : [paint.dim(`  ${more80(peer, now)}`)];
    const why = peer.path === undefined ? [wrapped(`  ${printable(peer.reason)}`, columns, "  ")] : [];
    return [coloured(line, peer, paint), ...more, ...why];
  });
  return [paint.dim(titles), ...parts].join("\n");
}

/** The details that do not fit into the row. */
function more80(peer: PeerInfo, now: number): string {
  const { lastHandshakeAt, receivedBytes, sentBytes, path } = peer;
  return [
    lastHandshakeAt === undefined ? "no handshake yet" : `handshake ${span(now - lastHandshakeAt)} ago`,
    `received ${bytes(receivedBytes)}`,
    `sent ${bytes(sentBytes)}`,
    ...(path === undefined ? [] : [`so for ${span(now - path.since)}`]),
  ].join(", ");
}

/** A line in the colour of the peer's state, which is what people look for. */
function coloured(line: string, { state }: PeerInfo, paint: Look["paint"]): string {
  const colour = {
    asleep: paint.dim,
    direct: paint.green,
    relayed: paint.yellow,
    probing: paint.cyan,
    unmet: paint.dim,
    lost: paint.red,
  };
  return line.replace(/(?<=\s)(?:asleep|direct|relayed|probing|unmet|lost)(?=\s)/, (word) =>
    colour[state](word),
  );
}

function foot(
  { nat, candidates, portMappings, brokers, peers, turn = [], relaying, facts }: MeshInfo,
  { now, columns, paint }: Look,
): string {
  const item = (title: string, text: string): string => {
    const lines = wrapped(`${title}  ${text}`, columns, " ".repeat(title.length + 2));
    return paint.dim(title) + lines.slice(title.length);
  };
  const own = candidates.map(({ kind, endpoint }) => `${printable(endpoint)} (${kind})`).join(", ");
  const failed = brokers
    .filter(({ state, error }) => state !== "open" && error !== undefined)
    .map(({ host, port, error = "" }) =>
      item("          ", `${printable(host)}:${port}: ${printable(error)}`),
    );
  return [
    item("NAT       ", NATS[nat]),
    ...portMappings
      .filter(({ protocol }) => protocol !== undefined)
      .map((one) => item("router    ", routerText(one, now))),
    item("candidates", own || "none yet"),
    item("brokers   ", brokersInWords(brokers)),
    ...failed,
    ...(facts === undefined ? [] : [item("facts     ", factsInWords(facts, peers))]),
    ...turn.map((one) => item("turn      ", turnInWords(one))),
    ...(relaying === undefined ? [] : [item("relaying  ", relayingInWords(relaying, peers, now))]),
  ].join("\n");
}

/** The facts that peers tell in the tunnel. */
function factsInWords(held: number, peers: MeshInfo["peers"]): string {
  const alive = peers.filter(({ isAlive }) => isAlive === true).length;
  return `${held} from ${alive} ${alive === 1 ? "peer" : "peers"} in the tunnel`;
}

/** What a TURN server does for this host. */
function turnInWords({ server, relayed, peers, error }: TurnInfo): string {
  const name = printable(server);
  if (relayed !== undefined) return `${name}: relays for ${count(peers, "peer")}, at ${printable(relayed)}`;
  return error === undefined ? `${name}: not needed now` : `${name}: ${printable(error)}`;
}

/** The traffic that this host relays for others. */
function relayingInWords(sessions: readonly RelaySession[], all: MeshInfo["peers"], now: number): string {
  const open = sessions.filter(({ isOpen }) => isOpen);
  if (open.length === 0) return "for nobody now";
  return open
    .map(({ peers: [one, other], bytes: passed, dropped, since }) => {
      const lost = dropped === 0 ? "" : `, ${dropped} packets too many`;
      return `${nameOf(one, all)} and ${nameOf(other, all)}: ${bytes(passed)} in ${span(now - since)}${lost}`;
    })
    .join("; ");
}

/** What a router gave. The router's own words may be anything, so they are made printable. */
function routerText({ gateway, protocol, external, isHint, endsAt }: PortMappingInfo, now: number): string {
  return [
    `${printable(gateway)} gives ${printable(external ?? "a port, and does not say where")}`,
    ` by ${protocol === undefined ? "" : PROTOCOLS[protocol]}`,
    endsAt === undefined ? "" : `, for ${span(endsAt - now)} from now`,
    isHint ? "; there is another NAT behind it, so peers are not told" : "",
  ].join("");
}
