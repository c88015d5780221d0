/**
 * Loaded before a program of the documentation. Every connection that the program opens leads to a broker on this
 * machine. So a program that uses public brokers can be run word for word without bothering them.
 *
 * It is plain JavaScript, so that plain Node loads it.
 */
import dgram from "node:dgram";
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

const brokers = (process.env.DOCS_BROKERS ?? "").split(",");
const timePort = Number(process.env.DOCS_TIME_PORT);

/**
 * The same broker for the same host.
 * @param {string} name
 */
function brokerFor(name) {
  let sum = 0;
  for (const character of name) sum += character.charCodeAt(0);
  const [host = "", port] = brokers[sum % brokers.length]?.split(":") ?? [];
  return { host, port: Number(port) };
}

const { connect } = net.Socket.prototype;
net.Socket.prototype.connect = function (...args) {
  // Either what net.connect has made of its arguments, options first, or the options themselves.
  const target = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (isTarget(target)) {
    Object.assign(target, brokerFor(target.host ?? "localhost"));
    for (const name of ["family", "lookup", "localAddress"]) delete target[name];
  }
  return Reflect.apply(connect, this, args);
};

/** @param {unknown} value */
function isTarget(value) {
  return typeof value === "object" && value !== null && "port" in value;
}

const { connect: connectUdp } = dgram.Socket.prototype;
dgram.Socket.prototype.connect = function (...args) {
  Reflect.apply(connectUdp, this, [timePort, "127.0.0.1", ...args.slice(2)]);
};

Object.assign(dns.promises, {
  /** @param {string} name */
  lookup: async (name) => {
    // werift asks a STUN server of its own, and would wait 5 s for the answer.
    if (name.startsWith("stun.")) throw new Error(`getaddrinfo ENOTFOUND ${name}`);
    return [{ address: "127.0.0.1", family: 4 }];
  },
});
syncBuiltinESMExports();
