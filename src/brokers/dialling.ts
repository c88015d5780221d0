import { monotonicNow, NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import type { Family, SocketOptions } from "../platform/platform.js";
import type { Transport } from "../platform/transports.js";
import { type Broker, portOf } from "../wire/broker-pool.js";
import type { KnownBroker } from "./known-broker.js";
import type { BrokerLink, LinkOptions, OpenLink } from "./link.js";
import { isSecure, type TransportPolicy, type Way, waysTo } from "./transport-choice.js";

/** How brokers are dialled. */
export interface DialOptions extends TransportPolicy {
  readonly openLink: OpenLink;
  readonly nic: Partial<Record<Family, string>>;
  readonly ca: SocketOptions["ca"];
}

/** How long one transport of a broker may take to connect and subscribe. */
export const CONNECT_TIMEOUT_MS = 4000;

/** For how long a broker that says "later" (HTTP `Retry-After`) is left alone at most. */
const MAX_RETRY_AFTER_MS = 120_000;

/** What is known of a broker, whoever uses it. */
type Known = KnownBroker<unknown>;

/** What a session has to do with those who use it. */
type Uses = Pick<LinkOptions, "subscribers" | "speed" | "scheduler" | "onReach" | "onClose">;

/**
 * Tries the ways to a broker one after the other.
 * @returns the first that works
 * @throws {@link BrokerError} with what became of each; anything, once the signal has fired
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
      // It may have worked before, and come before what is preferred.
      if (reason.reason === "tls") mayBeInsecure = allowInsecure;
      const pauseMs = Math.min(reason.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
      known.pauses.set(transport, monotonicNow() + pauseMs);
      failures.set(transport, reason);
      failure = together(failures, reason);
      // To be told of while the next way is tried.
      known.lastError = failure;
    }
  }
  throw failure ?? noWay(broker, transports);
}

/** Tries one way: in as few round trips as it goes, and then step by step where a broker does not take that. */
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
    // It may be over before anybody knew of it.
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

/** When a broker has not asked to be left alone at one of its transports any more. */
export function mayBeTriedAt(known: Known, policy: TransportPolicy): number {
  const ways = waysTo(known.broker, policy);
  const times = ways.map(({ transport }) => pausedUntil(known, transport));
  return ways.length === 0 ? -NEVER : Math.min(...times);
}

function pausedUntil({ pauses }: Known, transport: Transport): number {
  return pauses.get(transport) ?? 0;
}

/** Why there is no way to a broker at all. */
function noWay(broker: Broker, transports: readonly Transport[]): BrokerError {
  const hasOne = transports.some((transport) => portOf(broker, transport) !== undefined);
  const problem = hasOne
    ? "its login goes over TLS alone, and no transport with TLS may be used"
    : "no transport in common";
  return new BrokerError("transport", `${problem} (${transports.join(", ")})`);
}

/** What became of every transport that was tried. */
function together(failures: ReadonlyMap<Transport, BrokerError>, last: BrokerError): BrokerError {
  if (failures.size === 1) return last;
  const each = [...failures].map(([transport, { message }]) => `${transport}: ${message}`);
  const { returnCode, httpStatus } = last;
  return new BrokerError(last.reason, each.join("; "), { cause: last, returnCode, httpStatus });
}
