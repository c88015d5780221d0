import { bytesToHex, concatBytes, randomBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, atMost, monotonicNow, NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import type { Connection, SocketTarget, Stage } from "../platform/platform.js";
import type { Broker } from "../wire/broker-pool.js";
import { Guard, type Incoming } from "./guard.js";
import { LineSpeed, LONG_BYTES } from "./line-speed.js";
import {
  connectPacket,
  DISCONNECT,
  PINGREQ,
  pubackPacket,
  publishPacket,
  subscribePacket,
} from "./mqtt-packets.js";
import type { Reader, ReadScheduler } from "./read-scheduler.js";

/** What a link is opened with. */
export interface LinkOptions {
  readonly broker: Broker;
  readonly target: SocketTarget;
  /** The own address: the topic that is subscribed. */
  readonly topic: string;
  readonly connectTimeoutMs: number;
  /** The longest payload that is of use. */
  readonly maxPayloadBytes: number;
  /** Of the line that all links share. */
  readonly speed: LineSpeed;
  /** Says when what came in is read. */
  readonly scheduler: ReadScheduler;
  /** Called when its address is not on this machine, or gone: a moment after it was dialled, and when it answers. */
  readonly onReach?: (isAnswering: boolean) => void;
  /** Called with every publish on the own topic. */
  readonly onMessage: (payload: Uint8Array) => void;
  /** Called for a publish that was longer than {@link maxPayloadBytes}, and not kept. */
  readonly onTooLarge: () => void;
  /** Called with how it ended, once the session is over. */
  readonly onClose: (error: BrokerError) => void;
}

/** One MQTT session with one broker, subscribed to the own address. */
export interface BrokerLink {
  /** When the broker was last heard of; monotonic ms. */
  readonly heardAt: number;
  /** Whether a long message is coming in now. */
  readonly isReceiving: boolean;
  /**
   * Publishes at QoS 0.
   * @param onLeft - called when the broker has read a long message: until then its bytes were on the line
   * @returns false when the session is over, or so much is unsent that the broker must be stuck
   */
  publish(topic: string, payload: Uint8Array, onLeft?: () => void): boolean;
  /** Asks the broker for a sign of life; without one the session is over {@link PING_MS} later. */
  check(): void;
  /** Leaves: says DISCONNECT when `graceful`, and is gone within {@link GOODBYE_MS} in any case. */
  close(graceful: boolean): Promise<void>;
}

/** The seam between links and what manages them. */
export type OpenLink = (options: LinkOptions, signal: AbortSignal) => Promise<BrokerLink>;

/** A broker is asked for a sign of life after so long without one from either side, and lost after so long. */
const PING_AFTER_MS = 10_000;
const SILENT_MS = 15_000;

/** Unsent bytes at which a broker counts as stuck. */
const MAX_UNSENT_BYTES = 1 << 20;

/** What may wait to be read, bytes: more comes only where reading cannot be paused, in a browser. */
const MAX_UNREAD_BYTES = 4 << 20;

/** A broker that sends more than can be read for so much of such a time is left, ms. */
const FLOOD_MS = 10_000;
const FLOODED_SHARE = 0.95;

/** When no bytes of long messages have come in for so long, none is waited for any more, ms. */
const PAUSED_MS = 1000;

/** How long a broker may take to answer a ping that is sent on suspicion. */
const PING_MS = 3000;

/** How long a graceful end may take. */
const GOODBYE_MS = 500;

/** The one SUBSCRIBE of a session. */
const SUBSCRIPTION = 1;

/** What CONNACK says no with (MQTT 3.1.1, section 3.2.2.3). */
const REFUSALS: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "identifier rejected",
  3: "server unavailable",
  4: "bad username or password",
  5: "not authorized",
};

/** To what no answer came. */
const UNANSWERED: Readonly<Record<string, string>> = {
  handshake: " to the handshake",
  connack: " to CONNECT",
  suback: " to SUBSCRIBE",
};

/**
 * Connects, subscribes to the own address at QoS 1, and resolves once the broker granted that.
 * @throws {@link BrokerError} when anything of it fails or takes longer than the connect timeout
 */
export const openLink: OpenLink = (options, signal) => {
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const session = new Session(options, (error) => {
      stopListening();
      if (error) reject(error);
      else resolve(session);
    });
    const stopListening = onAbort(signal, (error) => session.fail(error));
    session.open();
  });
};

/** What a session waits for. */
type State = "connection" | "connack" | "suback" | "messages" | "nothing";

class Session implements BrokerLink, Reader {
  readonly #options: LinkOptions;
  readonly #guard: Guard;
  readonly #alarm: Alarm = new Alarm((now) => this.#ring(now));
  /** Told once how it began, and then how it ended, unless {@link close} ended it. */
  #onChange: (error: Error | undefined) => void;
  #connection: Connection | undefined;
  #onGone: (() => void) | undefined;
  #state: State = "connection";
  #stage: Stage = "connect";
  #openBy = 0;
  #receivedAt = 0;
  #sentAt = 0;
  #pingedAt = 0;
  /** When bytes of a long message came in last. */
  #longAt = -NEVER;
  /** When a ping on suspicion must be answered. */
  #answerBy = NEVER;
  /** What to do when each ping is answered that was not yet. */
  readonly #onPong: (() => void)[] = [];
  /** When the last of what was written has left for certain, if the line works at all. */
  #leftBy = 0;
  /** Since when there is more to read than was read, and for how long there was before, since it was last looked. */
  #behindSince = NEVER;
  #behindMs = 0;
  #lookedAt = 0;

  /** @param onOpened - told once, of the subscription or of what came in its place */
  constructor(options: LinkOptions, onOpened: (error: Error | undefined) => void) {
    this.#options = options;
    this.#guard = new Guard(options.topic, options.maxPayloadBytes);
    this.#onChange = onOpened;
  }

  open(): void {
    const { target, connectTimeoutMs } = this.#options;
    this.#openBy = monotonicNow() + connectTimeoutMs;
    this.#alarm.set(this.#openBy);
    try {
      this.#connection = platform.openConnection(target, {
        onStage: (stage) => this.#reached(stage),
        onOpen: () => this.#greet(),
        onData: (bytes) => this.#take(bytes),
        onClose: (error) => this.#gone(error),
      });
    } catch (error) {
      this.#gone(error);
    }
  }

  get heardAt(): number {
    return this.#receivedAt;
  }

  get isReceiving(): boolean {
    return monotonicNow() < this.#longAt + PAUSED_MS;
  }

  publish(topic: string, payload: Uint8Array, onLeft: () => void = () => {}): boolean {
    if (this.#state !== "messages" || this.#isStuck) return false;
    if (payload.length < LONG_BYTES) this.#send(publishPacket(topic, payload));
    else this.#publishLong(publishPacket(topic, payload), onLeft);
    return true;
  }

  /** Between two pings: the answer to the first is a sign of life, that to the second says that all has left. */
  #publishLong(packet: Uint8Array, onLeft: () => void): void {
    let startedAt = 0;
    this.#ping(() => {
      startedAt = monotonicNow();
    });
    this.#send(packet);
    this.#ping(() => {
      this.#options.speed.measured(packet.length, monotonicNow() - startedAt);
      onLeft();
    });
  }

  check(): void {
    // What has come in and waits to be read is a sign of life.
    if (this.#state !== "messages" || this.#answerBy < NEVER || this.#behindSince < NEVER) return;
    this.#ping();
    this.#answerBy = Math.max(this.#pingedAt, this.#leftBy) + PING_MS;
    this.#alarm.set(this.#answerBy);
  }

  async close(graceful: boolean): Promise<void> {
    const connection = this.#connection;
    const isOpen = this.#state === "messages";
    this.#over();
    if (graceful && isOpen && connection !== undefined) {
      const gone = new Promise<void>((resolve) => {
        this.#onGone = resolve;
      });
      connection.write(DISCONNECT);
      connection.end();
      await atMost(GOODBYE_MS, gone);
    }
    connection?.destroy();
  }

  /** Ends it, and says why. */
  fail(error: Error): void {
    if (this.#state === "nothing") return;
    const onChange = this.#onChange;
    this.#over();
    this.#connection?.destroy();
    onChange(error);
  }

  read(mayGoOn: () => boolean): boolean {
    const acknowledgements: Uint8Array[] = [];
    let packet: Incoming | undefined;
    try {
      do {
        packet = this.#hasEnded ? undefined : this.#guard.next();
        if (packet?.type === "publish" && packet.id > 0) acknowledgements.push(pubackPacket(packet.id));
        if (packet !== undefined) this.#handle(packet);
        // Who waits for the link gets it before anything else comes by it.
      } while (packet !== undefined && mayGoOn() && packet.type !== "suback");
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      this.fail(error);
      return false;
    }
    if (acknowledgements.length > 0 && !this.#isStuck) this.#send(concatBytes(...acknowledgements));
    const hasMore = packet !== undefined && this.#guard.waitingBytes > 0;
    if (!hasMore) this.#caughtUp(monotonicNow());
    return hasMore;
  }

  get #isStuck(): boolean {
    return this.#connection === undefined || this.#connection.unsentBytes > MAX_UNSENT_BYTES;
  }

  #reached(stage: Stage): void {
    this.#stage = stage;
    if (stage === "handshake") this.#options.onReach?.(true);
    if (stage !== "connect") return;
    // A broker on this machine has answered before the next turn but one.
    platform.nextTurn(() =>
      platform.nextTurn(() => {
        if (this.#state === "connection" && this.#stage === "connect") this.#options.onReach?.(false);
      }),
    );
  }

  #greet(): void {
    const { username, password } = this.#options.broker;
    this.#state = "connack";
    this.#options.onReach?.(true);
    this.#send(
      connectPacket({ clientId: randomClientId(), keepAliveS: platform.keepAliveS, username, password }),
    );
  }

  #take(bytes: Uint8Array): void {
    if (this.#state === "nothing") return;
    const now = monotonicNow();
    this.#receivedAt = now;
    this.#answerBy = NEVER;
    this.#guard.push(bytes);
    if (this.#guard.isInPayload) this.#longAt = now;
    if (this.#options.scheduler.serve(this, bytes.length) || this.#hasEnded) return;
    if (this.#behindSince === NEVER) {
      this.#behindSince = now;
      this.#connection?.pause();
    }
    if (this.#guard.waitingBytes > MAX_UNREAD_BYTES)
      this.fail(new BrokerError("flood", "sent more than could be read"));
  }

  /** What is called may have ended it. */
  get #hasEnded(): boolean {
    return this.#state === "nothing";
  }

  #caughtUp(now: number): void {
    if (this.#behindSince === NEVER || this.#hasEnded) return;
    this.#behindMs += now - this.#behindSince;
    this.#behindSince = NEVER;
    this.#connection?.resume();
  }

  /** Whether it was behind for nearly all of the time since it was last asked. */
  #isFlooded(now: number): boolean {
    const behindMs = this.#behindMs + Math.max(0, now - this.#behindSince);
    const isFlooded = behindMs > FLOODED_SHARE * (now - this.#lookedAt);
    this.#lookedAt = now;
    this.#behindMs = 0;
    if (this.#behindSince < NEVER) this.#behindSince = now;
    return isFlooded;
  }

  #handle(packet: Incoming): void {
    switch (packet.type) {
      case "connack":
        this.#connected(packet.code);
        break;
      case "suback":
        this.#subscribed(packet.code);
        break;
      case "publish":
        if (packet.payload === undefined) this.#options.onTooLarge();
        else this.#options.onMessage(packet.payload);
        break;
      case "pingresp":
        this.#onPong.shift()?.();
        // What was written before the last ping has left.
        if (this.#onPong.length === 0) this.#leftBy = Math.min(this.#leftBy, monotonicNow());
    }
  }

  #connected(code: number): void {
    if (code !== 0) {
      const problem = `refused with code ${code}: ${REFUSALS[code] ?? "unknown"}`;
      this.fail(new BrokerError("refused", problem, { returnCode: code }));
      return;
    }
    this.#state = "suback";
    this.#guard.expectSuback(SUBSCRIPTION);
    this.#send(subscribePacket(SUBSCRIPTION, this.#options.topic));
  }

  #subscribed(qos: number): void {
    if (qos !== 1) {
      const answer = qos === 0x80 ? "refused" : `granted QoS ${qos}`;
      this.fail(new BrokerError("subscription", `wanted QoS 1, ${answer}`));
      return;
    }
    this.#state = "messages";
    this.#lookedAt = monotonicNow();
    this.#alarm.set(this.#lookedAt + PING_AFTER_MS);
    const onOpened = this.#onChange;
    this.#onChange = (error) => {
      // What ends a session that was open is a broker error.
      if (error instanceof BrokerError) this.#options.onClose(error);
    };
    onOpened(undefined);
  }

  #send(bytes: Uint8Array): void {
    const now = monotonicNow();
    this.#sentAt = now;
    if (bytes.length >= LONG_BYTES)
      this.#leftBy = Math.max(now, this.#leftBy) + LineSpeed.longestMs(bytes.length);
    this.#connection?.write(bytes);
  }

  #ping(onPong: () => void = () => {}): void {
    this.#pingedAt = monotonicNow();
    this.#onPong.push(onPong);
    this.#guard.expectPingresp();
    this.#send(PINGREQ);
  }

  /** Looks what is due; returns when to look again. */
  #ring(now: number): number {
    if (this.#state === "nothing") return NEVER;
    if (this.#state !== "messages") {
      if (now < this.#openBy) return this.#openBy;
      this.fail(this.#tooLate());
      return NEVER;
    }
    const reason = this.#whyOver(now);
    if (reason !== undefined) {
      this.fail(reason);
      return NEVER;
    }
    if (now >= this.#pingAt) this.#ping();
    return Math.min(this.#lookedAt + FLOOD_MS, this.#silentAt, this.#answerBy, this.#pingAt);
  }

  #tooLate(): BrokerError {
    const waitedFor = this.#state === "connection" ? this.#stage : this.#state;
    const problem = `no answer${UNANSWERED[waitedFor] ?? ""} within ${this.#options.connectTimeoutMs} ms`;
    return waitedFor === "lookup"
      ? new BrokerError("dns", `the name does not resolve: ${problem}`)
      : new BrokerError("timeout", problem);
  }

  get #silentAt(): number {
    // Where timers come late, it may not have been asked yet.
    if (this.#pingedAt <= this.#receivedAt) return NEVER;
    const askedFor = this.#pingedAt + SILENT_MS - PING_AFTER_MS;
    // An answer waits behind what was written before.
    return Math.max(askedFor, Math.max(this.#receivedAt, this.#leftBy) + SILENT_MS);
  }

  get #pingAt(): number {
    return PING_AFTER_MS + Math.min(this.#sentAt, Math.max(this.#receivedAt, this.#pingedAt));
  }

  #whyOver(now: number): BrokerError | undefined {
    if (now >= this.#lookedAt + FLOOD_MS && this.#isFlooded(now))
      return new BrokerError("flood", `sent more than could be read for ${FLOOD_MS / 1000} s`);
    if (now >= this.#answerBy) return new BrokerError("lost", `no answer to a ping within ${PING_MS} ms`);
    if (now >= this.#silentAt) return new BrokerError("lost", `silent for ${SILENT_MS / 1000} s`);
    return undefined;
  }

  #gone(cause: unknown): void {
    this.#onGone?.();
    this.fail(endOf(this.#state, cause));
  }

  #over(): void {
    this.#state = "nothing";
    this.#alarm.clear();
    this.#options.scheduler.forget(this);
  }
}

/** Random each time, and within the 23 characters that every broker must take (MQTT 3.1.1, 3.1.3.1). */
function randomClientId(): string {
  return `sw${bytesToHex(randomBytes(10))}`;
}

/** What the end of a connection means, by what the session was waiting for. */
function endOf(state: State, cause: unknown): BrokerError {
  const isOpen = state === "messages";
  if (cause instanceof BrokerError && (!isOpen || cause.reason === "protocol")) return cause;
  const words = cause === undefined ? "" : wordsOf(cause);
  if (isOpen) return new BrokerError("lost", words || "closed by the broker", { cause });
  if (state === "suback")
    return new BrokerError("subscription", `${words || "closed"} when the subscription was asked for`, {
      cause,
    });
  const when = words === "" || state === "connack" ? " before it answered" : "";
  return new BrokerError("unreachable", `${words || "closed"}${when}`, { cause });
}

/** An AggregateError has no words of its own. */
function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String("code" in cause ? cause.code : cause.name);
}
