import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Context } from "./context.js";
import { startEmbeddedBroker } from "./embedded-broker.js";
import { type ExitCode, Failure, reasonOf } from "./failure.js";
import { aborted } from "./interrupt.js";
import { jsonLine } from "./printable.js";

export interface BrokerOptions {
  readonly host: string;
  readonly port?: number;
  readonly wsPort?: number;
  readonly allowOrigin?: readonly string[];
}

/** Runs a broker until an interrupt. The line on stdout is a pool for `--brokers`. */
export async function broker(
  { output, signal }: Context,
  { host, port = 1883, wsPort = 8083, allowOrigin = [] }: BrokerOptions,
): Promise<ExitCode> {
  const running = await startEmbeddedBroker(host, port, wsPort, allowOrigin).catch((error: unknown) => {
    const failed = error instanceof Error && "port" in error ? `, port ${error.port}` : "";
    throw new Failure("LISTEN", `cannot listen on ${host}${failed}: ${reasonOf(error)}`, 1);
  });
  try {
    const reachableAt = reachableHost(host);
    const family = isIPv6(reachableAt) ? "IPv6" : "IPv4";
    const pool = { [family]: { [reachableAt]: { port: running.port, ws: running.wsPort, path: "/mqtt" } } };
    await output.line(jsonLine(pool));
    const where = output.isTerminal ? "The line above is its pool: keep it in a file" : "Its pool is written";
    output.note(output.paintNotes.dim(`Listening. ${where} for --brokers. Ctrl-C ends it.`));
    await aborted(signal);
  } finally {
    await running.close();
  }
  return 0;
}

/** An address that other machines can use, if the broker listens on all addresses. */
function reachableHost(host: string): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const family = host === "::" ? "IPv6" : "IPv4";
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(
      (address) => address.family === family && !address.internal && !address.address.startsWith("fe80:"),
    );
  return own[0]?.address ?? (family === "IPv6" ? "::1" : "127.0.0.1");
}
