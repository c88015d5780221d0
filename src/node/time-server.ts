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

export const MIN_POLL_MS = 16_000; // MINPOLL of RFC 5905; RFC 4330, section 10, forbids less than 15 s
const MAX_PAUSE_MS = 86_400_000;
const MAX_DISTANCE_MS = 1500; // the limit that ntpd uses for a server
const DRIFT = 1e-4; // the drift of a bad quartz: 0.36 s per hour
const NTP_EPOCH_S = 2_208_988_800; // from 1900 to 1970, in s
const PACKET_BYTES = 48;
const SERVER = /^(?:\[(.+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/;

/** A measurement of the time. */
export interface Reading {
  /** The Unix milliseconds at the moment when the monotonic clock was zero. */
  readonly epoch: number;
  /** The maximum error at the time of the measurement, in ms. */
  readonly distance: number;
  /** When the measurement was made, on the monotonic clock. */
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
  // If most voters are honest, the median lies among their readings. Each honest reading is at most its distance from
  // the true time.
  const near = readings.filter(
    (each) => Math.abs(each.epoch - epoch) <= distanceAt(each, at) + MAX_DISTANCE_MS,
  );
  if (near.length * 2 <= voters) return undefined;
  const distance = Math.max(...near.map((each) => Math.abs(each.epoch - epoch) + distanceAt(each, at)));
  return { epoch, distance, at };
}

/** How a server is asked. */
export interface Manner {
  /** How long to wait for an answer before an address is asked again, in ms. */
  readonly repeatMs: number;
  /** How often the server is asked, in ms. */
  readonly refreshMs: number;
  /** Whether asking keeps the process alive. */
  readonly ref: boolean;
}

/** A time server, with its best reading and the pauses that it asked for. */
export class TimeServer {
  #best: Reading | undefined;
  /** The addresses that sent a kiss-o'-death: the length of each pause, and its end. */
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

  /**
   * Asks the server. Returns the most exact of its readings (RFC 5905, section 10), or the new reading if the two
   * exclude each other.
   */
  async read(manner: Manner, signal: AbortSignal): Promise<Reading> {
    const found = await lookUp(this.host, [4, 6], signal);
    const ask =
      (address: string): Attempt<Reading> =>
      (given) =>
        this.#ask(address, manner, given);
    // Both families are asked at once, because the faster answer is the more exact one. The other addresses of a family
    // are only used when the first one fails or stays silent.
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

  /** Asks one address, unless the address has asked for a pause. */
  async #ask(address: string, manner: Manner, signal: AbortSignal): Promise<Reading> {
    const pause = this.#pauses.get(address);
    if (pause !== undefined && pause.until > monotonicNow()) throw new Error("asked to be left alone");
    try {
      return await exchange(address, this.port, manner, signal);
    } catch (error) {
      if (!(error instanceof KissOfDeath)) throw error;
      let ms = Math.min(2 * (pause?.ms ?? Math.max(manner.refreshMs, MIN_POLL_MS)), MAX_PAUSE_MS);
      if (error.code === "DENY" || error.code === "RSTR") ms = Number.POSITIVE_INFINITY;
      else if (error.code !== "RATE") throw error; // other codes do not ask for a pause
      this.#pauses.set(address, { ms, until: monotonicNow() + ms });
      throw error;
    }
  }
}

/** A server that asks for fewer requests, or for none (RFC 5905, section 7.4). */
class KissOfDeath extends Error {
  constructor(readonly code: string) {
    super(`kiss-o'-death ${code}`);
  }
}

/** Sends one request from a new port (RFC 9109), and a second one if no answer comes. */
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
      // The transmit timestamp is random, and all other fields are zero. A server needs none of them. An attacker who
      // forges an answer would have to guess the timestamp. And nobody learns this machine's clock
      // (draft-ietf-ntp-data-minimization).
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
      // A packet that is not an answer to our requests is ignored, and the wait goes on. Mode 4: server.
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
    // A connected socket accepts packets only from this address, and reports when the port is closed.
    socket.connect(port, address);
  });
}

/** Reads the time from an answer (RFC 4330, section 5; RFC 5905, sections 7.3, 8 and 11.2). */
function decode(packet: Buffer, sentAt: number, arrivedAt: number): Reading {
  const stratum = packet.readUInt8(1);
  if (stratum === 0) throw new KissOfDeath(packet.toString("latin1", 12, 16).replace(/[^!-~]/g, ""));
  if (packet.readUInt8() >> 6 === 3 || stratum > 15) throw new Error("not synchronised");
  const [received, transmitted] = [decodeTime(packet, 32), decodeTime(packet, 40)];
  const held = transmitted - received;
  const precision = 2 ** packet.readInt8(3) * 1000;
  if (!(held >= 0 && held <= arrivedAt - sentAt + precision)) throw new Error("impossible timestamps");
  const delay = Math.max(0, arrivedAt - sentAt - held);
  const [rootDelay, rootDispersion] = [packet.readUInt32BE(4), packet.readUInt32BE(8)]; // in units of 1/65 536 s
  const distance = delay / 2 + (rootDelay / 2 + rootDispersion) / 65.536 + precision;
  if (distance > MAX_DISTANCE_MS) throw new Error(`uncertain by ${Math.round(distance)} ms`);
  return { epoch: (received - sentAt + (transmitted - arrivedAt)) / 2, distance, at: arrivedAt };
}

/**
 * Converts a timestamp to Unix milliseconds, for the years 1968 to 2104. A timestamp without its highest bit counts
 * from 2036 (RFC 4330, section 3).
 */
function decodeTime(packet: Buffer, offset: number): number {
  const [seconds, fraction] = [packet.readUInt32BE(offset), packet.readUInt32BE(offset + 4)];
  if (seconds === 0 && fraction === 0) return Number.NaN; // the server does not know the time
  const era = seconds < 2 ** 31 ? 2 ** 32 : 0;
  return (seconds + era - NTP_EPOCH_S) * 1000 + (fraction / 2 ** 32) * 1000;
}
