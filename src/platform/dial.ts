import { connect, isIP, type Socket } from "node:net";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { BrokerError } from "../base/errors.js";
import { type Attempt, staggered } from "../base/staggered.js";
import { inWords } from "./failure-words.js";
import { type IpVersion, lookUp } from "./look-up.js";
import type { SocketTarget } from "./platform.js";
import { isPrivateHost } from "./private-address.js";

/** The destination of a TCP connection, and the local address to connect from. */
export type DialTarget = Pick<
  SocketTarget,
  "family" | "host" | "port" | "localAddress" | "publicOnly" | "turn"
>;

/**
 * How long to wait before the next address is tried beside the previous one, in ms (RFC 8305, section 8: Connection
 * Attempt Delay).
 */
export const ATTEMPT_DELAY_MS = 250;

/**
 * The maximum number of addresses that are tried for one name. Whoever runs the name server decides how many there are.
 */
export const MAX_ADDRESSES = 8;

/**
 * The addresses to dial for a host, in the order of the attempts; at least one. A name is resolved only once, so that
 * the addresses that were checked here are the addresses that are dialled.
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
 * Opens a TCP connection to the address that answers first (RFC 8305, within one family).
 *
 * The returned socket has a listener for errors, so that an error before the caller adds its own listener does not end
 * the process. The caller must check whether the socket was destroyed meanwhile, and whether the signal has fired.
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
    // Most brokers have one address. On one machine, a race with one attempt would take as long as the connection
    // itself.
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
