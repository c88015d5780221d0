import { monotonicNow, NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import type { Family, SocketOptions } from "../platform/platform.js";
import type { Transport } from "../platform/transports.js";
import { type Broker, portOf } from "../wire/broker-pool.js";
import type { KnownBroker } from "./known-broker.js";
import type { BrokerLink, LinkOptions, OpenLink } from "./link.js";
import { isSecure, type TransportPolicy, type Way, waysTo } from "./transport-choice.js";

/** The options for dialling brokers. */
export interface DialOptions extends TransportPolicy {
  readonly openLink: OpenLink;
  readonly nic: Partial<Record<Family, string>>;
  readonly ca: SocketOptions["ca"];
}

/** How long one transport of a broker may take to connect and subscribe, in ms. */
export const CONNECT_TIMEOUT_MS = 4000;

/** The longest pause that a broker may ask for (HTTP `Retry-After`), in ms. */
const MAX_RETRY_AFTER_MS = 120_000;

/** The state of a broker; who uses the broker does not matter here. */
type Known = KnownBroker<unknown>;

/** The link options that depend on the users of a session. */
type Uses = Pick<LinkOptions, "subscribers" | "speed" | "scheduler" | "onReach" | "onClose">;

/**
 * Tries the ways to a broker one after the other.
 * @returns the session over the first way that works
 * @throws {@link BrokerError} with the failure of each way; after the signal has fired, any error
 */
export async function dialBroker(
  known: Known,
  options: DialOptions,
  uses: Uses,
  signal: AbortSignal,
): Promise<BrokerLink> {
  const { broker } = known;
  const { transports, allowInsecure } = options;
  const ways = waysTo(broker, options);
  const failures = new Map<Transport, BrokerError>();
  let failure = known.lastError;
  let mayBeInsecure = true;
  for (const way of new Set([...ways.filter(({ transport }) => transport === known.transport), ...ways])) {
    if (!mayBeInsecure && !isSecure(way)) continue;
    const { transport } = way;
    if (pausedUntil(known, transport) > monotonicNow()) continue;
    try {
      const link = await dialWay(known, way, options, uses, signal);
      known.transport = transport;
      return link;
    } catch (error) {
      if (signal.aborted) throw error;
      const reason =
        error instanceof BrokerError
          ? error
          : new BrokerError("unreachable", String(error), { cause: error });
      // A transport without TLS may have worked before, and is then tried before the preferred ones.
      if (reason.reason === "tls") mayBeInsecure = allowInsecure;
      const pauseMs = Math.min(reason.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
      known.pauses.set(transport, monotonicNow() + pauseMs);
      failures.set(transport, reason);
      failure = together(failures, reason);
      // So that users see the failure while the next way is tried.
      known.lastError = failure;
    }
  }
  throw failure ?? noWay(broker, transports);
}

/**
 * Tries one way. The first try sends SUBSCRIBE together with CONNECT, to save a round trip. When the broker hangs up on
 * that, the second try waits for CONNACK first.
 */
async function dialWay(
  known: Known,
  { transport, port }: Way,
  { nic, ca, openLink }: DialOptions,
  uses: Uses,
  signal: AbortSignal,
): Promise<BrokerLink> {
  const { broker } = known;
  const { family, host } = broker;
  const target = {
    transport,
    family,
    host,
    port,
    path: broker.path ?? "/mqtt",
    localAddress: nic[family],
    publicOnly: broker.publicOnly === true,
    turn: known.failures,
    ca,
  };
  let hasAsked = false;
  const subscribers = (): ReturnType<Uses["subscribers"]> => {
    hasAsked = true;
    return uses.subscribers();
  };
  const dial = async (isPipelined: boolean): Promise<BrokerLink> => {
    let ended: BrokerError | undefined;
    const onClose = (error: BrokerError): void => {
      ended = error;
      uses.onClose(error);
    };
    const link = await openLink(
      { ...uses, subscribers, broker, target, isPipelined, connectTimeoutMs: CONNECT_TIMEOUT_MS, onClose },
      signal,
    );
    // The session may have ended before this function received it.
    if (ended !== undefined && !signal.aborted) throw ended;
    return link;
  };
  if (known.failures > 0) return await dial(false);
  try {
    return await dial(true);
  } catch (error) {
    const hungUp = hasAsked && error instanceof BrokerError && error.reason === "unreachable";
    if (!hungUp || signal.aborted) throw error;
    return await dial(false);
  }
}

/**
 * The time from which the broker may be dialled again by at least one transport, as far as the broker asked for a
 * pause.
 */
export function mayBeTriedAt(known: Known, policy: TransportPolicy): number {
  const ways = waysTo(known.broker, policy);
  const times = ways.map(({ transport }) => pausedUntil(known, transport));
  return ways.length === 0 ? -NEVER : Math.min(...times);
}

function pausedUntil({ pauses }: Known, transport: Transport): number {
  return pauses.get(transport) ?? 0;
}

/** The error for a broker that cannot be dialled at all. */
function noWay(broker: Broker, transports: readonly Transport[]): BrokerError {
  const hasOne = transports.some((transport) => portOf(broker, transport) !== undefined);
  const problem = hasOne
    ? "its login goes over TLS alone, and no transport with TLS may be used"
    : "no transport in common";
  return new BrokerError("transport", `${problem} (${transports.join(", ")})`);
}

/** One error for all the transports that were tried. */
function together(failures: ReadonlyMap<Transport, BrokerError>, last: BrokerError): BrokerError {
  if (failures.size === 1) return last;
  const each = [...failures].map(([transport, { message }]) => `${transport}: ${message}`);
  const { returnCode, httpStatus } = last;
  return new BrokerError(last.reason, each.join("; "), { cause: last, returnCode, httpStatus });
}
