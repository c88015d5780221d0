import pLimit from "p-limit";
import {
  type BrokerEntry,
  type BrokerPool,
  type Family,
  Keypair,
  NoAckError,
  NoBrokerError,
  Router,
  TRANSPORTS,
  type Transport,
} from "sidewire";
import { reasonOf } from "./failure.js";

/** The result of a check: one transport of one broker. */
export interface Check {
  readonly family: Family;
  readonly host: string;
  readonly transport: Transport;
  readonly port: number;
  readonly ok: boolean;
  /**
   * True when the transport was not tried, because the login would be sent unencrypted although the broker has a TLS
   * port.
   */
  readonly skipped?: true;
  /** The time until the subscription was granted, in ms. */
  readonly connectMs?: number;
  /** The time from the publish of a message to its arrival here, in ms. */
  readonly echoMs?: number;
  readonly error?: string;
}

/** The number of simultaneous checks. A check is short, and waits most of the time. */
const CONCURRENCY = 12;

// The keys of the table are exactly the transports, so the cast is safe.
const EACH_TRANSPORT = Object.keys(TRANSPORTS) as Transport[];

const CONNECT_MS = 6000;
const ECHO_MS = 4000;

interface Candidate {
  readonly family: Family;
  readonly host: string;
  readonly entry: BrokerEntry;
  readonly transport: Transport;
  readonly port: number;
}

/** Checks every transport of every broker, several at a time. The results are in the pool's order. */
export async function checkPool(
  pool: BrokerPool,
  options: {
    readonly signal: AbortSignal;
    readonly timeout: number | undefined;
    readonly onDone: (done: number, of: number) => void;
  },
): Promise<Check[]> {
  const limit = pLimit(CONCURRENCY);
  const candidates = candidatesOf(pool);
  let done = 0;
  return await Promise.all(
    candidates.map((candidate) =>
      limit(async () => {
        options.signal.throwIfAborted();
        const check = await checkOne(candidate, options.signal, options.timeout);
        options.onDone(++done, candidates.length);
        return check;
      }),
    ),
  );
}

/** The brokers of a pool that work, each with the ports that passed the check or were not tried. */
export function workingPool(pool: BrokerPool, checks: readonly Check[], today: Date): BrokerPool {
  const familyOf = (family: Family): Record<string, BrokerEntry> =>
    Object.fromEntries(
      Object.entries(pool[family] ?? {}).flatMap(([host, { port, tls, ws, wss, weight, ...rest }]) => {
        const ports = Object.fromEntries(
          Object.entries(TRANSPORTS).flatMap(([transport, { portField }]) =>
            checks
              .filter((check) => (check.ok || check.skipped) && isOf(check, family, host))
              .filter((check) => check.transport === transport)
              .map((check) => [portField, check.port]),
          ),
        );
        const works = checks.some((check) => check.ok && isOf(check, family, host));
        return works ? [[host, { ...ports, ...(weight === 1 ? {} : { weight }), ...rest }]] : [];
      }),
    );
  return { updated: today.toISOString().slice(0, 10), IPv4: familyOf("IPv4"), IPv6: familyOf("IPv6") };
}

function isOf(check: Check, family: Family, host: string): boolean {
  return check.family === family && check.host === host;
}

/** The same rule as in the library, which does not send such a login unencrypted either. */
function wouldShowLogin({ entry, transport }: Candidate): boolean {
  const hasLogin = entry.username !== undefined || entry.password !== undefined;
  return hasLogin && !TRANSPORTS[transport].isSecure && (entry.tls !== undefined || entry.wss !== undefined);
}

function candidatesOf(pool: BrokerPool): Candidate[] {
  const families: readonly Family[] = ["IPv4", "IPv6"];
  return families.flatMap((family) =>
    Object.entries(pool[family] ?? {}).flatMap(([host, entry]) =>
      EACH_TRANSPORT.flatMap((transport) => {
        const port = entry[TRANSPORTS[transport].portField];
        return port === undefined ? [] : [{ family, host, entry, transport, port }];
      }),
    ),
  );
}

/** Starts a peer that has only this transport, and sends a message from the peer to itself. */
async function checkOne(
  candidate: Candidate,
  signal: AbortSignal,
  timeout: number | undefined,
): Promise<Check> {
  const { family, host, entry, transport, port } = candidate;
  const what = { family, host, transport, port };
  if (wouldShowLogin(candidate))
    return { ...what, ok: false, skipped: true, error: "not tried: its login would go out in clear" };
  const keys = Keypair.generate();
  const router = new Router(keys, {
    getTime: Date.now,
    brokers: { [family]: { [host]: entry } },
    families: [family],
    transports: [transport],
    accept: (from) => from === keys.publicKeyHex,
  });
  const dialledAt = performance.now();
  let connectMs: number | undefined;
  try {
    await router.start({ signal, timeoutMs: timeout ?? CONNECT_MS });
    connectMs = performance.now() - dialledAt;
    const pipe = await router.pipe(router.address, { signal });
    let arrivedAt = 0;
    router.once("message", () => {
      arrivedAt = performance.now();
    });
    const sentAt = performance.now();
    await pipe.deliver("echo", { signal, timeoutMs: timeout ?? ECHO_MS });
    return { ...what, ok: true, connectMs, echoMs: arrivedAt - sentAt };
  } catch (error) {
    signal.throwIfAborted();
    return { ...what, ok: false, ...(connectMs === undefined ? {} : { connectMs }), error: whyNot(error) };
  } finally {
    await router.close({ signal });
  }
}

function whyNot(error: unknown): string {
  if (error instanceof NoBrokerError) return error.brokers[0]?.error ?? "no answer";
  if (error instanceof NoAckError) return "connected and subscribed, but a message did not come back";
  return reasonOf(error);
}
