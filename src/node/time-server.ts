import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { isIP, isIPv6 } from "node:net";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { monotonicNow } from "../base/alarm.js";
import { check, got } from "../base/schema.js";
import { type Attempt, staggered } from "../base/staggered.js";
import { startTimer } from "../base/timer.js";
import { ATTEMPT_DELAY_MS, MAX_ADDRESSES } from "../platform/dial.js";
import { lookUp } from "../platform/look-up.js";

export const MIN_POLL_MS = 16_000; // RFC 5905, MINPOLL; RFC 4330, section 10, forbids less than 15 s
const MAX_PAUSE_MS = 86_400_000;
const MAX_DISTANCE_MS = 1500; // ntpd's limit for a server that is used
const DRIFT = 1e-4; // of a poor quartz: 0.36 s an hour
const NTP_EPOCH_S = 2_208_988_800; // from 1900 to 1970
const PACKET_BYTES = 48;
const SERVER = /^(?:\[(.+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/;

/** What somebody takes for the time. */
export interface Reading {
  /** Unix milliseconds when the monotonic clock was zero. */
  readonly epoch: number;
  /** How far that may have been off when it was read, ms. */
  readonly distance: number;
  /** When that was, on the monotonic clock. */
  readonly at: number;
}

export function distanceAt(reading: Reading, at: number): number {
  return reading.distance + DRIFT * (at - reading.at);
}

/** The median of the readings, if more than half of the voters are near it. */
export function agree(readings: readonly Reading[], voters: number): Reading | undefined {
  const sorted = readings.map(({ epoch }) => epoch).sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) return undefined;
  const at = monotonicNow();
  const epoch = (low + high) / 2;
  // If most are honest, the median lies among them, each of them no farther from the truth than its distance.
  const near = readings.filter(
    (each) => Math.abs(each.epoch - epoch) <= distanceAt(each, at) + MAX_DISTANCE_MS,
  );
  if (near.length * 2 <= voters) return undefined;
  const distance = Math.max(...near.map((each) => Math.abs(each.epoch - epoch) + distanceAt(each, at)));
  return { epoch, distance, at };
}

/** How a server is asked. */
export interface Manner {
  /** After how long without an answer an address is asked again, ms. */
  readonly repeatMs: number;
  /** How often the server is asked, ms. */
  readonly refreshMs: number;
  /** Whether asking keeps the process alive. */
  readonly ref: boolean;
}

/** A server, its best answer, and what it asked for. */
export class TimeServer {
  #best: Reading | undefined;
  /** Addresses that sent a kiss-o'-death: for how long, and until when, they are left alone. */
  readonly #pauses = new Map<string, { readonly ms: number; readonly until: number }>();

  private constructor(
    readonly name: string,
    readonly host: string,
    readonly port: number,
  ) {}

  static parse(value: unknown, path: string): TimeServer {
    const named = typeof value === "string" ? value : "";
    const text = isIPv6(named) ? `[${named}]` : named;
    const [, address, host = address, port = "123"] = SERVER.exec(text) ?? [];
    const wrongAddress = address !== undefined && !isIPv6(address);
    check(
      host !== undefined && !wrongAddress && +port > 0 && +port < 65_536,
      "INVALID_OPTION",
      path,
      '"host", "host:port" or "[IPv6]:port"',
      got(value),
    );
    return new TimeServer(named, host.toLowerCase(), +port);
  }

  get key(): string {
    return `${this.host} ${this.port}`;
  }

  forget(): void {
    this.#best = undefined;
  }

  /** The most exact of its answers (RFC 5905, section 10), or the fresh one if they exclude each other. */
  async read(manner: Manner, signal: AbortSignal): Promise<Reading> {
    const found = await lookUp(this.host, [4, 6], signal);
    const ask =
      (address: string): Attempt<Reading> =>
      (given) =>
        this.#ask(address, manner, given);
    // The quicker family is the more exact one. The further addresses of each are for when the first is down.
    const families = [4, 6].map((version) => found.filter((address) => isIP(address) === version));
    const delayMs = Math.min(ATTEMPT_DELAY_MS, manner.repeatMs);
    const isReferenced = manner.ref;
    const fresh = await staggered(
      families
        .filter((addresses) => addresses.length > 0)
        .map(
          (addresses): Attempt<Reading> =>
            (given) => {
              const attempts = addresses.slice(0, MAX_ADDRESSES).map(ask);
              return staggered(attempts, { delayMs, signal: given, isReferenced });
            },
        ),
      { delayMs: 0, signal, isReferenced },
    );
    const best = this.#best;
    const distance = best === undefined ? 0 : distanceAt(best, fresh.at);
    const excluded = best === undefined || Math.abs(best.epoch - fresh.epoch) > distance + fresh.distance;
    this.#best = excluded || fresh.distance <= distance ? fresh : best;
    return this.#best;
  }

  /** Asks one address, unless it has asked to be left alone. */
  async #ask(address: string, manner: Manner, signal: AbortSignal): Promise<Reading> {
    const pause = this.#pauses.get(address);
    if (pause !== undefined && pause.until > monotonicNow()) throw new Error("asked to be left alone");
    try {
      return await exchange(address, this.port, manner, signal);
    } catch (error) {
      if (!(error instanceof KissOfDeath)) throw error;
      let ms = Math.min(2 * (pause?.ms ?? Math.max(manner.refreshMs, MIN_POLL_MS)), MAX_PAUSE_MS);
      if (error.code === "DENY" || error.code === "RSTR") ms = Number.POSITIVE_INFINITY;
      else if (error.code !== "RATE") throw error; // the others ask for nothing
      this.#pauses.set(address, { ms, until: monotonicNow() + ms });
      throw error;
    }
  }
}

/** A server that asks for fewer requests, or none (RFC 5905, section 7.4). */
class KissOfDeath extends Error {
  constructor(readonly code: string) {
    super(`kiss-o'-death ${code}`);
  }
}

/** One request, and another if it stays without an answer, from a port of its own (RFC 9109). */
function exchange(
  address: string,
  port: number,
  { repeatMs, ref }: Manner,
  signal: AbortSignal,
): Promise<Reading> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    if (!ref) socket.unref();
    const sent = new Map<string, number>();
    const send = (): void => {
      // The transmit timestamp is all random and the rest is zero: a server needs neither, a forger would have
      // to guess the former, and nobody learns this machine's clock (draft-ietf-ntp-data-minimization).
      const packet = Buffer.alloc(PACKET_BYTES);
      packet.writeUInt8(0x23); // version 4, mode 3: client
      const cookie = randomBytes(8);
      packet.set(cookie, 40);
      sent.set(cookie.toString("hex"), monotonicNow());
      socket.send(packet);
    };
    let stopRepeat = (): void => {};
    const settle = (act: () => void): void => {
      stopListening();
      stopRepeat();
      socket.close();
      act();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const stopListening = onAbort(signal, fail);
    socket.on("error", fail);
    socket.on("message", (packet) => {
      const at = monotonicNow();
      // What is no answer to a request of ours is no reason to stop waiting for one. Mode 4: server.
      if (packet.length < PACKET_BYTES || (packet.readUInt8() & 7) !== 4) return;
      const sentAt = sent.get(packet.toString("hex", 24, 32));
      if (sentAt === undefined) return;
      try {
        const reading = decode(packet, sentAt, at);
        settle(() => resolve(reading));
      } catch (error) {
        fail(error);
      }
    });
    socket.once("connect", () => {
      send();
      stopRepeat = startTimer(repeatMs, send, ref);
    });
    // A connected socket takes packets from this address alone, and tells when the port is closed.
    socket.connect(port, address);
  });
}

/** What an answer says of the time (RFC 4330, section 5; RFC 5905, sections 7.3, 8 and 11.2). */
function decode(packet: Buffer, sentAt: number, arrivedAt: number): Reading {
  const stratum = packet.readUInt8(1);
  if (stratum === 0) throw new KissOfDeath(packet.toString("latin1", 12, 16).replace(/[^!-~]/g, ""));
  if (packet.readUInt8() >> 6 === 3 || stratum > 15) throw new Error("not synchronised");
  const [received, transmitted] = [decodeTime(packet, 32), decodeTime(packet, 40)];
  const held = transmitted - received;
  const precision = 2 ** packet.readInt8(3) * 1000;
  if (!(held >= 0 && held <= arrivedAt - sentAt + precision)) throw new Error("impossible timestamps");
  const delay = Math.max(0, arrivedAt - sentAt - held);
  const [rootDelay, rootDispersion] = [packet.readUInt32BE(4), packet.readUInt32BE(8)]; // s / 65 536
  const distance = delay / 2 + (rootDelay / 2 + rootDispersion) / 65.536 + precision;
  if (distance > MAX_DISTANCE_MS) throw new Error(`uncertain by ${Math.round(distance)} ms`);
  return { epoch: (received - sentAt + (transmitted - arrivedAt)) / 2, distance, at: arrivedAt };
}

/** Unix milliseconds from 1968 to 2104: without its highest bit it counts from 2036 (RFC 4330, section 3). */
function decodeTime(packet: Buffer, offset: number): number {
  const [seconds, fraction] = [packet.readUInt32BE(offset), packet.readUInt32BE(offset + 4)];
  if (seconds === 0 && fraction === 0) return Number.NaN; // not known
  const era = seconds < 2 ** 31 ? 2 ** 32 : 0;
  return (seconds + era - NTP_EPOCH_S) * 1000 + (fraction / 2 ** 32) * 1000;
}
