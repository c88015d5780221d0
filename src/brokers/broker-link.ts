import { bytesToHex, randomBytes } from "@noble/hashes/utils.js";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { platform } from "#platform";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { atMost, timer } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import { startTimer } from "../base/timer.js";
import type { SocketTarget } from "../platform/platform.js";
import { TRANSPORTS } from "../platform/transports.js";
import type { Broker } from "../wire/broker-pool.js";

/** What a link is opened with. */
export interface LinkOptions {
  readonly broker: Broker;
  readonly target: SocketTarget;
  /** The own address: the topic that is subscribed. */
  readonly topic: string;
  readonly connectTimeoutMs: number;
  /** Called with every publish on the own topic, and with how it ended once the session is over. */
  readonly onMessage: (payload: Uint8Array, topic: string) => void;
  readonly onClose: (error: BrokerError) => void;
}

/** One MQTT session with one broker, subscribed to the own address. */
export interface BrokerLink {
  /**
   * Publishes at QoS 0.
   * @returns false when the session is over, or so much is unsent that the broker must be stuck
   */
  publish(topic: string, payload: Uint8Array): boolean;
  /** Asks the broker for a sign of life; without one the session is over {@link PING_MS} later. */
  check(): void;
  /** Leaves: says DISCONNECT when `graceful`, and is gone within {@link GOODBYE_MS} in any case. */
  close(graceful: boolean): Promise<void>;
}

/** The seam between links and what manages them. */
export type OpenLink = (options: LinkOptions, signal: AbortSignal) => Promise<BrokerLink>;

/** The protocol's keep-alive. MQTT.js gives a silent broker 1.5 times as long. */
const KEEP_ALIVE_S = 10;

/** Unsent bytes at which a broker counts as stuck. */
const MAX_UNSENT_BYTES = 1 << 20;

/** How long a broker may take to answer a ping that is sent on suspicion. */
const PING_MS = 3000;

/** How long a graceful end may take. */
const GOODBYE_MS = 500;

/**
 * Connects, subscribes to the own address at QoS 1, and resolves once the broker granted that.
 * @throws {@link BrokerError} when anything of it fails or takes longer than the connect timeout
 */
export const openLink: OpenLink = (options, signal) => {
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const client = createClient(options);
    const link = new MqttLink(client, options);
    const settle = (finish: () => void): void => {
      stop();
      stopListening();
      finish();
    };
    const fail = (error: Error): void => {
      settle(() => reject(error));
      void link.close(false);
    };
    const { over, stop } = timer(options.connectTimeoutMs);
    void over.then(() => fail(new BrokerError("timeout", `no answer within ${options.connectTimeoutMs} ms`)));
    const stopListening = onAbort(signal, fail);

    link.onEnd = fail;
    client.once("connect", () => {
      client.subscribe(options.topic, { qos: 1 }, (error, granted) => {
        const qos = granted?.[0]?.qos;
        if (!error && qos === 1) {
          link.onEnd = options.onClose;
          settle(() => resolve(link));
        } else
          fail(new BrokerError("subscription", `wanted QoS 1, ${error ? "refused" : `granted QoS ${qos}`}`));
      });
    });
  });
};

class MqttLink implements BrokerLink {
  /** Told once how the session ended, unless {@link close} ended it. */
  onEnd: ((error: BrokerError) => void) | undefined;
  readonly #client: MqttClient;
  #closed = false;
  #connected = false;
  #stopPing: (() => void) | undefined;

  constructor(client: MqttClient, { onMessage }: LinkOptions) {
    this.#client = client;
    client.on("connect", () => {
      this.#connected = true;
    });
    client.on("message", (messageTopic, payload) => onMessage(payload, messageTopic));
    client.on("packetreceive", () => this.#clearPing());
    client.on("error", (error) => this.#end(error));
    client.on("close", () => this.#end(undefined));
  }

  publish(topic: string, payload: Uint8Array): boolean {
    if (this.#closed || !this.#client.connected) return false;
    if (this.#client.stream.writableLength > MAX_UNSENT_BYTES) return false;
    // MQTT.js writes out any bytes; its types know Buffer alone.
    this.#client.publish(topic, payload as Buffer, PUBLISH_OPTIONS);
    return true;
  }

  check(): void {
    if (this.#closed || this.#stopPing !== undefined || !this.#client.connected) return;
    this.#stopPing = startTimer(PING_MS, () =>
      this.#end(new BrokerError("lost", `no answer to a ping within ${PING_MS} ms`)),
    );
    this.#client.sendPing();
  }

  async close(graceful: boolean): Promise<void> {
    this.#closed = true;
    this.#clearPing();
    this.onEnd = undefined;
    const client = this.#client;
    if (graceful && client.connected) {
      const gone = new Promise<void>((resolve) => {
        client.stream.once("close", resolve);
        client.end(false);
      });
      await atMost(GOODBYE_MS, gone);
    }
    // A second `end` is ignored while the first still waits, hence the stream itself.
    client.end(true);
    client.stream.destroy();
    client.stream.on("error", () => {});
  }

  #clearPing(): void {
    this.#stopPing?.();
    this.#stopPing = undefined;
  }

  #end(cause: Error | undefined): void {
    if (this.#closed) return;
    const error = brokerError(cause, this.#connected);
    const { onEnd } = this;
    void this.close(false);
    onEnd?.(error);
  }
}

const PUBLISH_OPTIONS = { qos: 0 } as const;

function createClient({ broker, target, connectTimeoutMs }: LinkOptions): MqttClient {
  const options: IClientOptions = {
    protocolVersion: 4,
    clean: true,
    clientId: randomClientId(),
    keepalive: KEEP_ALIVE_S,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // Only a net below our own timeout, which covers the subscription too.
    connectTimeout: 2 * connectTimeoutMs,
    // The worker timers that MQTT.js prefers in browsers need blob: workers, which a Content-Security-Policy denies.
    timerVariant: "native",
    ...(broker.username === undefined ? {} : { username: broker.username }),
    ...(broker.password === undefined ? {} : { password: broker.password }),
  };
  const { transport } = target;
  if (TRANSPORTS[transport].isWebSocket)
    return mqtt.connect({
      ...options,
      protocol: transport,
      hostname: target.host.includes(":") ? `[${target.host}]` : target.host,
      port: target.port,
      path: broker.path ?? "/mqtt",
      wsOptions: platform.webSocketOptions(target),
    });
  return new mqtt.MqttClient(() => platform.openSocket(target), options);
}

/** Random each time, and within the 23 characters that every broker must take (MQTT 3.1.1, 3.1.3.1). */
function randomClientId(): string {
  return `sw${bytesToHex(randomBytes(10))}`;
}

function brokerError(cause: (Error & { code?: unknown }) | undefined, connected: boolean): BrokerError {
  if (cause instanceof BrokerError) return cause;
  const code = cause?.code;
  // MQTT.js puts the CONNACK return code there, sockets a text such as ECONNREFUSED.
  if (typeof code === "number" && !connected) {
    // Of "Connection refused: Not authorized".
    const problem = String(cause?.message).replace("Connection refused", `refused with code ${code}`);
    return new BrokerError("refused", problem, { cause, returnCode: code });
  }
  const why = cause ? cause.message || String(code) : "closed by the broker";
  return new BrokerError(connected ? "lost" : "unreachable", why, { cause });
}
