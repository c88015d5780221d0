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

/** With more unsent bytes than this, a broker counts as stuck. */
const MAX_UNSENT_BYTES = 1 << 20;

/** The highest packet id. 0 is not a valid id. */
const MAX_PACKET_ID = 65_535;

/**
 * The maximum number of bytes that may wait to be read. The limit only matters in a browser, where reading cannot be
 * paused.
 */
const MAX_UNREAD_BYTES = 4 << 20;

/** A long message counts as stopped when none of its bytes have come in for this time, in ms. */
const PAUSED_MS = 1000;

/** How long a graceful end may take, in ms. */
const GOODBYE_MS = 500;

/**
 * Connects, and subscribes at QoS 1 to the topics of the first subscribers. Resolves when the broker has granted one of
 * the topics.
 * @throws {@link BrokerError} when a step fails or takes longer than the connect timeout
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
  /**
   * Called once when the session is open or has failed to open. Then called once when the session has ended, unless
   * {@link close} ended it.
   */
  #onChange: (error: Error | undefined) => void;
  #connection: Connection | undefined;
  #onGone: (() => void) | undefined;
  #state: State = "connection";
  #stage: Stage = "connect";
  #openBy = 0;
  /** When bytes of a long message came in last, and on which topic. */
  #longAt = -NEVER;
  #longOn: string | undefined;
  /** The functions to call when the unanswered pings are answered, in the order of the pings. */
  readonly #onPong: (() => void)[] = [];
  /** The id of the latest SUBSCRIBE or UNSUBSCRIBE, and the time by which the broker must answer it. */
  #changeId = 0;
  #changedBy = NEVER;
  #isChangeDue = false;

  /** @param onOpened - called once, when the session is open or has failed to open */
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

  /** Sends the next SUBSCRIBE or UNSUBSCRIBE, if there is one and the last one was answered. */
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
    // While the session is being opened, the connect timeout ends it earlier anyway.
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

  /**
   * Publishes a long message between two pings. The answer to the first ping is a sign of life. The answer to the
   * second ping shows that the broker has read the whole message.
   */
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
    // Received bytes that wait to be read are a sign of life, too.
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

  /** Ends the session with an error. */
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
        // After a SUBACK reading stops for now, so that the caller gets the link before the first message arrives.
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
    // A broker on this machine would have answered within two turns of the event loop.
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

  /** A getter, because any function that is called may have ended the session. */
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

  /** @param refusal - why no topic was granted; undefined when one was granted */
  #answered(refusal: BrokerError | undefined): void {
    this.#changedBy = NEVER;
    if (this.#state === "suback") {
      // A new session without any granted topic is useless.
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
      // An open session always ends with a BrokerError.
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

  /** Does what is due. Returns the time of the next call. */
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

/**
 * A new random id for each session. It keeps to the 23 characters that every broker must accept (MQTT 3.1.1, 3.1.3.1).
 */
function randomClientId(): string {
  return `sw${bytesToHex(randomBytes(10))}`;
}
