import mqtt, { type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";

/** A bare MQTT client: a stranger on the broker, or an eavesdropper. Ended with the test. */
export interface RawClient {
  /** Resolves when the broker has taken it. */
  publish(topic: string, payload: Uint8Array): Promise<void>;
  /** The payloads seen so far on the topics it listens to. */
  readonly seen: Buffer[];
  /** The same, each with the topic it came on. */
  readonly heard: { readonly topic: string; readonly payload: Buffer }[];
  /** Resolves with the next payload that fits. */
  next(fits?: (payload: Buffer) => boolean): Promise<Buffer>;
}

/** Connects to a broker and listens on the given topics. */
export async function connectRaw(
  { host, port }: { readonly host: string; readonly port: number },
  topics: readonly string[] = [],
): Promise<RawClient> {
  const client: MqttClient = mqtt.connect({ host, port, reconnectPeriod: 0 });
  onTestFinished(() => void client.end(true));
  const seen: Buffer[] = [];
  const heard: { topic: string; payload: Buffer }[] = [];
  client.on("message", (topic, payload) => {
    seen.push(payload);
    heard.push({ topic, payload });
  });
  await new Promise<void>((resolve, reject) => client.once("connect", () => resolve()).once("error", reject));
  if (topics.length > 0) await client.subscribeAsync([...topics], { qos: 1 });
  return {
    publish: async (topic, payload) =>
      void (await client.publishAsync(topic, Buffer.from(payload), { qos: 1 })),
    seen,
    heard,
    next: (fits = () => true) =>
      new Promise((resolve) => {
        const look = (_topic: string, payload: Buffer): void => {
          if (!fits(payload)) return;
          client.off("message", look);
          resolve(payload);
        };
        client.on("message", look);
      }),
  };
}
