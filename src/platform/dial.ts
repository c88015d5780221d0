import { connect, isIP, type Socket } from "node:net";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { BrokerError } from "../base/errors.js";
import { type Attempt, staggered } from "../base/staggered.js";
import { inWords } from "./failure-words.js";
import { type IpVersion, lookUp } from "./look-up.js";
import type { SocketTarget } from "./platform.js";
import { isPrivateHost } from "./private-address.js";

/** Where a TCP connection goes, and how it leaves. */
export type DialTarget = Pick<
  SocketTarget,
  "family" | "host" | "port" | "localAddress" | "publicOnly" | "turn"
>;

/** How long the next address waits for the one before (RFC 8305, section 8: Connection Attempt Delay). */
export const ATTEMPT_DELAY_MS = 250;

/** So many of a name's addresses are tried at most: whoever runs its name server says how many there are. */
export const MAX_ADDRESSES = 8;

/**
 * The addresses that a host is dialled at, in the order of their turn; at least one. A name is looked up once: what
 * was looked at here is what is dialled.
 * @throws {@link BrokerError} `dns`; AbortError
 */
export async function addressesOf(
  { host, family, publicOnly, turn = 0 }: DialTarget,
  signal: AbortSignal,
  resolve: typeof lookUp = lookUp,
): Promise<readonly string[]> {
  throwIfAborted(signal);
  const version = family === "IPv6" ? 6 : 4;
  const all = isIP(host) === 0 ? await resolved(host, version, signal, resolve) : [host];
  const addresses = all.filter((address) => isIP(address) === version);
  if (addresses.length === 0) throw new BrokerError("dns", `it has no ${family} address`);
  if (publicOnly && addresses.some(isPrivateHost)) {
    throw new BrokerError("dns", "it leads to a private address, and is known from a hint alone");
  }
  const first = turn % addresses.length;
  return [...addresses.slice(first), ...addresses.slice(0, first)].slice(0, MAX_ADDRESSES);
}

/**
 * A TCP connection to whichever of some addresses answers first (RFC 8305, within one family).
 *
 * The socket has a listener for errors, so that one that comes before the caller's own ends nothing. The caller
 * has to look whether it was destroyed, or the signal has fired, since.
 *
 * @throws {@link BrokerError} `unreachable`; AbortError
 */
export async function dial(
  addresses: readonly string[],
  target: DialTarget,
  signal: AbortSignal,
): Promise<Socket> {
  throwIfAborted(signal);
  const [only = ""] = addresses;
  try {
    // Most brokers have one address, and a race of one takes as long as a connection on one machine.
    if (addresses.length === 1) return await connectTo(only, target, signal);
    const attempts = addresses.map(
      (address): Attempt<Socket> =>
        (given) =>
          connectTo(address, target, given),
    );
    return await staggered(attempts, {
      delayMs: ATTEMPT_DELAY_MS,
      signal,
      discard: (socket) => socket.destroy(),
    });
  } catch (error) {
    throwIfAborted(signal);
    throw unreachable(addresses, error instanceof AggregateError ? error.errors : [error]);
  }
}

async function resolved(
  host: string,
  version: IpVersion,
  signal: AbortSignal,
  resolve: typeof lookUp,
): Promise<readonly string[]> {
  try {
    return await resolve(host, [version], signal);
  } catch (cause) {
    throwIfAborted(signal);
    throw new BrokerError("dns", inWords(cause), { cause });
  }
}

function connectTo(
  address: string,
  { port, localAddress }: DialTarget,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: address,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const stopListening = onAbort(signal, (error) => {
      socket.destroy();
      reject(error);
    });
    socket.on("error", (error) => {
      stopListening();
      reject(error);
    });
    socket.once("connect", () => {
      stopListening();
      resolve(socket);
    });
  });
}

function unreachable(addresses: readonly string[], errors: readonly unknown[]): BrokerError {
  const [cause] = errors;
  const each = errors.map((error, i) => `${inWords(error)} at ${addresses[i]}`).join("; ");
  const problem = errors.length === 1 ? inWords(cause) : `none of ${errors.length} addresses: ${each}`;
  return new BrokerError("unreachable", problem, { cause });
}
