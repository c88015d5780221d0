import {
  type BrokerStats,
  Keypair,
  NoBrokerError,
  type RankedBroker,
  type Router,
  rankBrokers,
} from "sidewire";
import type { Context } from "./context.js";
import { EMPTY_POOL, type ExitCode, Failure, inWords } from "./failure.js";
import { pause } from "./interrupt.js";
import { withPeer } from "./peer.js";
import { destination } from "./people.js";
import { readPool } from "./pool-file.js";

/** How long brokers may take to connect, in ms. */
const PATIENCE_MS = 5000;

/** After this time without a change, no more changes are expected, in ms. */
const QUIET_MS = 500;

interface Row {
  readonly place: number;
  readonly broker: RankedBroker;
  /**
   * Absent when the broker was not dialled: this machine has no address of its family, or the broker has no usable
   * port.
   */
  readonly stats: BrokerStats | undefined;
}

/** Shows the brokers in the order in which they are used for an address, and whether they can be reached from here. */
export async function rank(context: Context, dest: string): Promise<ExitCode> {
  const { options, output, signal } = context;
  const { to } = await destination(context, dest);
  const brokers = await readPool(context);
  const ranking = rankBrokers(to, brokers);
  if (ranking.IPv4.length + ranking.IPv6.length === 0) throw new Failure("NO_BROKER", EMPTY_POOL, 1);
  // The peer has a new key and connects to as many brokers as possible. It receives nothing. The shown ranking is
  // DEST's.
  const peer = {
    identity: Keypair.generate(),
    brokers,
    accept: () => false,
    router: { inboundBrokers: 100 },
  };
  const stats = await withPeer(context, peer, (router) =>
    output.waiting("connecting", () => connect(router, options.timeout ?? PATIENCE_MS, signal)),
  );
  const rows = [ranking.IPv4, ranking.IPv6].flatMap((family) =>
    family.map((broker, i): Row => ({ place: i + 1, broker, stats: statsOf(broker, stats) })),
  );
  if (output.json) for (const row of rows) await output.result(objectOf(row), () => "");
  else await output.line(tableOf(context, rows));
  return rows.some((row) => row.stats?.state === "open") ? 0 : 1;
}

/** Dials the brokers, and returns their state when no more changes are expected. */
async function connect(
  router: Router,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly BrokerStats[]> {
  const deadline = performance.now() + timeoutMs;
  let changedAt = performance.now();
  router.on("broker", () => {
    changedAt = performance.now();
  });
  await router.start({ signal, timeoutMs }).catch((error: unknown) => {
    if (!(error instanceof NoBrokerError)) throw error;
  });
  const isSettled = (): boolean =>
    performance.now() - changedAt > QUIET_MS &&
    router.stats().brokers.every(({ state }) => state !== "connecting");
  while (!isSettled() && performance.now() < deadline && !signal.aborted) await pause(50, signal);
  signal.throwIfAborted();
  return router.stats().brokers;
}

function statsOf({ family, host }: RankedBroker, stats: readonly BrokerStats[]): BrokerStats | undefined {
  return stats.find((broker) => broker.family === family && broker.host === host);
}

function objectOf({ place, broker, stats }: Row): object {
  // Without a port: a broker has one for each transport, and the error does not say which transport failed.
  const { family, host, weight, score } = broker;
  const { state = "idle", lastError } = stats ?? {};
  const error = state === "open" || lastError === undefined ? {} : { error: lastError };
  return {
    place,
    family,
    host,
    weight,
    score,
    connected: state === "open",
    ...error,
  };
}

function tableOf({ output }: Context, rows: readonly Row[]): string {
  const { paint } = output;
  const cells = rows.map(({ place, broker, stats }) => {
    const { state, lastError } = stats ?? {};
    const mark =
      state === "open"
        ? paint.green("● connected")
        : `○ ${(lastError === undefined ? undefined : inWords(lastError)) ?? (state === "connecting" ? "no answer yet" : "not dialled")}`;
    return [broker.family, String(place), broker.host, broker.score.toFixed(4), mark];
  });
  return output.table(["family", ">place", "broker", ">score", "from here"], cells);
}
