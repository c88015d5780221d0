import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { MqttClient } from "mqtt";

/** Where a broker is. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** What answers: listens on one topic, publishes to the other. */
export interface Echo {
  readonly own: string;
  readonly other: string;
  readonly bytes: number;
}

const QOS_0 = { qos: 0 } as const;

/** The client that the round trips go by, and where its next answer is waited for. */
let client: MqttClient | undefined;
let answered: () => void = () => {};

/** A client with a socket that sends at once, subscribed as the package subscribes. */
export async function openBare({ host, port }: Place, topic: string): Promise<MqttClient> {
  const opened = new MqttClient(() => connect({ host, port, noDelay: true }), {
    protocolVersion: 4,
    clean: true,
    clientId: `sw${randomBytes(10).toString("hex")}`,
    keepalive: 10,
    reconnectPeriod: 0,
    queueQoSZero: false,
  });
  await new Promise<void>((resolve, reject) => {
    opened.once("connect", () => resolve()).once("error", reject);
  });
  await opened.subscribeAsync(topic, { qos: 1 });
  return opened;
}

/** Answers every packet with one of its own. */
export async function answerBare(place: Place, { own, other, bytes }: Echo): Promise<void> {
  const answer = randomBytes(bytes);
  const opened = await openBare(place, own);
  opened.on("message", () => opened.publish(other, answer, QOS_0));
}

/** Gets ready for {@link bareRoundTrips}: listens for the answers. */
export async function dialBare(place: Place, own: string): Promise<void> {
  client = await openBare(place, own);
  client.on("message", () => answered());
}

/** There and back with one packet after the other, at QoS 0: how long each, in ms. */
export async function bareRoundTrips(count: number, other: string, bytes: number): Promise<number[]> {
  const packet = randomBytes(bytes);
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    await new Promise<void>((resolve) => {
      answered = resolve;
      client?.publish(other, packet, QOS_0);
    });
    samples.push(performance.now() - startedAt);
  }
  return samples;
}
