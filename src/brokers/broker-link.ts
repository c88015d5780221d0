import { bytesToHex, concatBytes, randomBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, atMost, monotonicNow, NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import type { Connection, Stage } from "../platform/platform.js";
import { Backlog, FLOOD_MS } from "./backlog.js";
import { Guard, type Incoming } from "./guard.js";
import { LONG_BYTES } from "./line-speed.js";
import type { BrokerLink, LinkOptions, OpenLink } from "./link.js";
import { Liveness } from "./liveness.js";
import {
  connectPacket,
  DISCONNECT,
  PINGREQ,
  pubackPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from "./mqtt-packets.js";
import type { Reader } from "./read-scheduler.js";
import { endOf, refusedWith, type State, tooLate } from "./session-failures.js";
import { type Subscriber, Subscriptions } from "./subscriptions.js";

/** Unsent bytes at which a broker counts as stuck. */
const MAX_UNSENT_BYTES = 1 << 20;

/** The highest id of a packet; 0 is none. */
const MAX_PACKET_ID = 65_535;

/** What may wait to be read, bytes: more comes only where reading cannot be paused, in a browser. */
const MAX_UNREAD_BYTES = 4 << 20;

/** When no bytes of long messages have come in for so long, none is waited for any more, ms. */
const PAUSED_MS = 1000;

/** How long a graceful end may take. */
const GOODBYE_MS = 500;

/**
 * Connects, subscribes at QoS 1 to the topics of those who listen from the beginning, and resolves once the broker has
 * granted one of them.
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

class Session implements BrokerLink, Reader {
  readonly #options: LinkOptions;
  readonly #subscriptions = new Subscriptions();
  readonly #guard = new Guard(this.#subscriptions);
  readonly #liveness = new Liveness();
  readonly #backlog = new Backlog();
  readonly #alarm: Alarm = new Alarm((now) => this.#ring(now));
  /** Told once how it began, and then how it ended, unless {@link close} ended it. */
  #onChange: (error: Error | undefined) => void;
  #connection: Connection | undefined;
  #onGone: (() => void) | undefined;
  #state: State = "connection";
  #stage: Stage = "connect";
  #openBy = 0;
  /** When bytes of a long message came in last, and on which topic. */
  #longAt = -NEVER;
  #longOn: string | undefined;
  /** What to do when each ping is answered that was not yet. */
  readonly #onPong: (() => void)[] = [];
  /** The latest SUBSCRIBE or UNSUBSCRIBE, and when it must be answered. */
  #changeId = 0;
  #changedBy = NEVER;
  #isChangeDue = false;

  /** @param onOpened - told once, of the subscription or of what came in its place */
  constructor(options: LinkOptions, onOpened: (error: Error | undefined) => void) {
    this.#options = options;
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
    return this.#liveness.receivedAt;
  }

  isReceiving(topic: string): boolean {
    return this.#longOn === topic && monotonicNow() < this.#longAt + PAUSED_MS;
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscriptions.add(subscriber);
    this.#changeSoon();
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscriptions.remove(subscriber);
    this.#changeSoon();
  }

  #changeSoon(): void {
    if (this.#isChangeDue) return;
    this.#isChangeDue = true;
    platform.nextTurn(() => {
      this.#isChangeDue = false;
      if (this.#state === "messages") this.#change();
    });
  }

  /** Asks for what is wanted and leaves what is not, unless an answer is waited for. */
  #change(): void {
    const packet = this.#nextChange();
    if (packet) this.#send(packet);
  }

  #nextChange(): Uint8Array | undefined {
    const change = this.#subscriptions.next();
    if (change === undefined) return undefined;
    const { type, topics } = change;
    this.#changeId = (this.#changeId % MAX_PACKET_ID) + 1;
    if (type === "subscribe") this.#guard.expectSuback(this.#changeId, topics.length);
    else this.#guard.expectUnsuback(this.#changeId);
    // It is there until the session is open anyway.
    this.#changedBy = this.#liveness.leftBy(monotonicNow()) + this.#options.connectTimeoutMs;
    this.#alarm.set(this.#changedBy);
    return (type === "subscribe" ? subscribePacket : unsubscribePacket)(this.#changeId, topics);
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
    if (this.#connection?.isStranded) {
      this.fail(new BrokerError("lost", "the address that it left by is none of this machine's any more"));
      return;
    }
    // What has come in and waits to be read is a sign of life.
    if (this.#state !== "messages" || this.#liveness.isSuspected || this.#backlog.isThere) return;
    this.#ping();
    this.#alarm.set(this.#liveness.suspect());
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
    const { broker, isPipelined } = this.#options;
    const { username, password } = broker;
    this.#state = "connack";
    this.#options.onReach?.(true);
    const clientId = randomClientId();
    const connect = connectPacket({ clientId, keepAliveS: platform.keepAliveS, username, password });
    this.#send(isPipelined ? concatBytes(connect, this.#firstSubscribe()) : connect);
  }

  #take(bytes: Uint8Array): void {
    if (this.#state === "nothing") return;
    const now = monotonicNow();
    this.#liveness.received(now);
    this.#guard.push(bytes);
    const { topicOfPayload } = this.#guard;
    if (topicOfPayload !== undefined) {
      this.#longAt = now;
      this.#longOn = topicOfPayload;
    }
    if (this.#options.scheduler.serve(this, bytes.length) || this.#hasEnded) return;
    if (!this.#backlog.isThere) {
      this.#backlog.began(now);
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
    if (!this.#backlog.isThere || this.#hasEnded) return;
    this.#backlog.ended(now);
    this.#connection?.resume();
  }

  #handle(packet: Incoming): void {
    switch (packet.type) {
      case "connack":
        this.#connected(packet.code);
        break;
      case "suback":
        this.#answered(this.#subscriptions.answered(packet.codes));
        break;
      case "unsuback":
        this.#answered(this.#subscriptions.answered());
        break;
      case "publish": {
        const subscriber = this.#subscriptions.find(packet.topic);
        if (packet.payload === undefined) subscriber?.onTooLarge();
        else subscriber?.onMessage(packet.payload);
        break;
      }
      case "pingresp":
        this.#onPong.shift()?.();
        if (this.#onPong.length === 0) this.#liveness.ponged(monotonicNow());
    }
  }

  #connected(code: number): void {
    if (code !== 0) {
      this.fail(refusedWith(code));
      return;
    }
    this.#state = "suback";
    if (!this.#options.isPipelined) this.#send(this.#firstSubscribe());
  }

  #firstSubscribe(): Uint8Array {
    for (const subscriber of this.#options.subscribers()) this.#subscriptions.add(subscriber);
    return this.#nextChange() ?? NOTHING;
  }

  /** @param refusal - why no topic was granted, where that is so */
  #answered(refusal: BrokerError | undefined): void {
    this.#changedBy = NEVER;
    if (this.#state === "suback") {
      // Without any it is of no use.
      if (refusal) {
        this.fail(refusal);
        return;
      }
      this.#opened(monotonicNow());
    }
    this.#changeSoon();
  }

  #opened(now: number): void {
    this.#state = "messages";
    this.#backlog.start(now);
    this.#alarm.set(this.#liveness.dueAt);
    const onOpened = this.#onChange;
    this.#onChange = (error) => {
      // What ends a session that was open is a broker error.
      if (error instanceof BrokerError) this.#options.onClose(error);
    };
    onOpened(undefined);
  }

  #send(bytes: Uint8Array): void {
    this.#liveness.sent(bytes.length, monotonicNow());
    this.#connection?.write(bytes);
  }

  #ping(onPong: () => void = () => {}): void {
    this.#liveness.pinged(monotonicNow());
    this.#onPong.push(onPong);
    this.#guard.expectPingresp();
    this.#send(PINGREQ);
  }

  /** Looks what is due; returns when to look again. */
  #ring(now: number): number {
    if (this.#state === "nothing") return NEVER;
    if (this.#state !== "messages") {
      if (now < this.#openBy) return this.#openBy;
      this.fail(tooLate(this.#state, this.#stage, this.#options.connectTimeoutMs));
      return NEVER;
    }
    const reason = this.#whyOver(now);
    if (reason !== undefined) {
      this.fail(reason);
      return NEVER;
    }
    if (now >= this.#liveness.pingAt) this.#ping();
    return Math.min(
      this.#backlog.lookAt,
      this.#liveness.dueAt,
      this.#backlog.isThere ? NEVER : this.#changedBy,
    );
  }

  #whyOver(now: number): BrokerError | undefined {
    if (now >= this.#backlog.lookAt && this.#backlog.isFlood(now))
      return new BrokerError("flood", `sent more than could be read for ${FLOOD_MS / 1000} s`);
    if (now >= this.#changedBy && !this.#backlog.isThere)
      return new BrokerError(
        "lost",
        `no answer to a subscription within ${this.#options.connectTimeoutMs} ms`,
      );
    return this.#liveness.whyLost(now);
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

const NOTHING = new Uint8Array();

/** Random each time, and within the 23 characters that every broker must take (MQTT 3.1.1, 3.1.3.1). */
function randomClientId(): string {
  return `sw${bytesToHex(randomBytes(10))}`;
}
