/**
 * Loaded before a program of the documentation: every connection that it opens leads to a broker on this
 * machine, so that what it says of public brokers can be run word for word without bothering them.
 */
import dgram from "node:dgram";
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

const brokers: readonly string[] = (process.env.DOCS_BROKERS ?? "").split(",");
const timePort = Number(process.env.DOCS_TIME_PORT);

/** The same broker for the same host. */
function brokerFor(name: string): { host: string; port: number } {
  let sum = 0;
  for (const character of name) sum += character.charCodeAt(0);
  const [host = "", port] = brokers[sum % brokers.length]?.split(":") ?? [];
  return { host, port: Number(port) };
}

interface Target {
  host?: string;
  port?: number;
  family?: number;
  lookup?: unknown;
  localAddress?: string;
}

const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]): net.Socket {
  // Either what net.connect has made of its arguments, options first, or the options themselves.
  const target: unknown = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (isTarget(target)) {
    Object.assign(target, brokerFor(target.host ?? "localhost"));
    for (const name of ["family", "lookup", "localAddress"] as const) delete target[name];
  }
  return Reflect.apply(connect, this, args);
};

function isTarget(value: unknown): value is Target {
  return typeof value === "object" && value !== null && "port" in value;
}

const { connect: connectUdp } = dgram.Socket.prototype;
dgram.Socket.prototype.connect = function (this: dgram.Socket, ...args: unknown[]): void {
  Reflect.apply(connectUdp, this, [timePort, "127.0.0.1", ...args.slice(2)]);
};

Object.assign(dns.promises, { lookup: async () => [{ address: "127.0.0.1", family: 4 }] });
syncBuiltinESMExports();
