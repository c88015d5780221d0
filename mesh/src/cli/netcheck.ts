import { networkInterfaces } from "node:os";
import { DEFAULT_STUN } from "../candidates/default-stun.js";
import { type Filtering, filteringOf } from "../candidates/filtering.js";
import { StunClient, type StunReport } from "../candidates/stun-client.js";
import { checkHostPort } from "../config/parts.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { ProbeSockets } from "../probe/probe-sockets.js";
import { parseTurnServers, type TurnServer } from "../turn/turn-server.js";
import { type BrokerTime, brokerTimes } from "./broker-times.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { bad, type Finding, ok, tell, warning } from "./finding.js";
import { readPool, readTurn } from "./input-files.js";
import { milliseconds, printable } from "./printable.js";
import { lookAtRouter } from "./router.js";
import { lookAtTurn } from "./turn-finding.js";

export interface NetcheckOptions {
  readonly stun?: string;
  readonly turn?: readonly string[];
  readonly turnCredentials?: string;
  readonly brokers?: string;
  /** False: routers are not asked. */
  readonly portMapping?: boolean;
}

/** How often all servers are asked before UDP counts as blocked. A single packet may be lost. */
const ROUNDS = 3;

const FILTERINGS: Readonly<Record<Filtering, string>> = {
  "endpoint-independent": "whoever knows the outside port gets in",
  "address-dependent": "hosts that were spoken to get in, by any port",
  "address-and-port-dependent": "only who was spoken to gets in, which is what most do",
  unknown: "cannot be told: no server that answers has a second address to try it with",
};

/** Shows the properties of this network. Needs neither a daemon nor special permissions. */
export async function netcheck(context: Context, options: NetcheckOptions): Promise<ExitCode> {
  const check = await netcheckBy(options);
  return await tell(context, check(context.signal));
}

/**
 * Reads the options of a check.
 * @returns what checks the network, as often as it is called
 */
export async function netcheckBy(
  options: NetcheckOptions,
): Promise<(signal: AbortSignal) => AsyncGenerator<Finding>> {
  const servers = options.stun?.split(",").map((one) => checkHostPort(one, "--stun")) ?? DEFAULT_STUN;
  const pool = options.brokers === undefined ? undefined : await readPool(options.brokers);
  const turn = parseTurnServers(await readTurn(options.turn ?? [], options.turnCredentials));
  const asked = { servers, turn, asksRouter: options.portMapping !== false };
  return (signal) => look(signal, asked, brokerTimes(pool, signal));
}

/** What is checked besides the brokers. */
interface Asked {
  readonly servers: readonly string[];
  readonly turn: readonly TurnServer[];
  readonly asksRouter: boolean;
}

async function* look(
  signal: AbortSignal,
  { servers, turn, asksRouter }: Asked,
  brokers: Promise<readonly BrokerTime[]>,
): AsyncGenerator<Finding> {
  // The promise may reject while other checks are running. Without this, that would be an unhandled rejection.
  brokers.catch(() => {});
  const router = asksRouter ? lookAtRouter(signal) : undefined;
  router?.catch(() => {});
  const report = await askServers(signal, servers);
  signal.throwIfAborted();
  yield lookAtUdp(report, servers);
  if (report.seen.length > 0) {
    yield lookAtMapping(report);
    const [{ server } = { server: undefined }] = report.seen;
    const filtering = server === undefined ? "unknown" : await filteringOf(server, signal);
    yield ok("filtering", FILTERINGS[filtering]);
  }
  if (router !== undefined) yield await router;
  for (const server of turn) yield await lookAtTurn(server, signal);
  yield lookAtIPv6(report);
  yield lookAtBrokers(await brokers);
}

async function askServers(signal: AbortSignal, servers: readonly string[]): Promise<StunReport> {
  let client: StunClient | undefined;
  await using sockets = await ProbeSockets.open((bytes, remote) => client?.receive(bytes, remote));
  client = new StunClient(servers, sockets);
  let report: StunReport = { seen: [], verdict: "unknown" };
  for (let i = 0; i < ROUNDS && report.seen.length === 0 && !signal.aborted; i++)
    report = await client.ask(ownAddresses(), { signal });
  return report;
}

function lookAtUdp({ seen }: StunReport, servers: readonly string[]): Finding {
  if (seen.length === 0)
    return bad(
      "UDP",
      `no UDP gets through: none of ${servers.length} STUN servers answers`,
      "let UDP out in the firewall, and see that names can be looked up; without UDP there is no direct path",
    );
  const times = seen.map(
    ({ server, roundTripMs }) => `${formatEndpoint(server)} ${milliseconds(roundTripMs)}`,
  );
  return ok("UDP", `gets through: ${times.join(", ")}`);
}

function lookAtMapping({ seen, verdict }: StunReport): Finding {
  const outside = [...new Set(seen.map((one) => formatEndpoint(one.seen)))].join(", ");
  switch (verdict) {
    case "open":
      return ok("NAT", `none: servers see an address of this host (${outside})`);
    case "stable":
      return ok("NAT", `it keeps one outside port for everybody (${outside})`);
    case "symmetric":
      return warning(
        "NAT",
        `it has another outside port for each destination (${outside})`,
        "a peer whose NAT does the same, or lets in only who was spoken to, has no direct path to here: forward a UDP port to this host, or use IPv6",
      );
    default:
      return warning(
        "NAT",
        `too few servers answered to tell what it does (${outside})`,
        "name servers at two addresses or more with --stun",
      );
  }
}

function lookAtIPv6({ seen }: StunReport): Finding {
  const answered = seen.find(({ server }) => server.family === 6);
  if (answered !== undefined) return ok("IPv6", `works: servers see ${answered.seen.address}`);
  const [own] = ownAddresses().filter((address) => /^[23]/.test(address) && address.includes(":"));
  if (own === undefined) return ok("IPv6", "none here: nothing to do unless a peer has IPv6 alone");
  return warning(
    "IPv6",
    `this host has ${own}, and no server answers over IPv6`,
    "see that the router and its firewall let IPv6 out; a path over IPv6 needs no NAT to play along",
  );
}

function lookAtBrokers(times: readonly BrokerTime[]): Finding {
  const open = times.filter(({ connectMs }) => connectMs !== undefined);
  const failed = times.filter(({ connectMs }) => connectMs === undefined);
  const fine = open.map(({ host, connectMs = 0 }) => `${host} ${milliseconds(connectMs)}`).join(", ");
  const not = failed.map(({ host, error = "no answer" }) => `${host} (${printable(error)})`).join(", ");
  if (open.length > 0)
    return ok(
      "brokers",
      `${open.length} of ${times.length} connected: ${fine}${not === "" ? "" : `; not ${not}`}`,
    );
  return bad(
    "brokers",
    `none of ${times.length} brokers can be reached${not === "" ? "" : `: ${not}`}`,
    "let MQTT out in the firewall (ports 8883 and 1883), or give brokers of your own with --brokers",
  );
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((some) => some ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .map(({ address }) => address);
}
