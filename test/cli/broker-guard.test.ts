import { once } from "node:events";
import mqtt from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { mayConnect, startEmbeddedBroker } from "../../src/cli/embedded-broker.js";

async function start(origins: readonly string[] = []): Promise<{ port: number; wsPort: number }> {
  const broker = await startEmbeddedBroker("127.0.0.1", 0, 0, origins);
  onTestFinished(() => broker.close());
  return broker;
}

async function opens(wsPort: number, origin?: string): Promise<boolean> {
  const options = origin === undefined ? {} : { origin };
  const socket = new WebSocket(`ws://127.0.0.1:${wsPort}/mqtt`, ["mqtt"], options);
  const isOpen = await Promise.race([
    once(socket, "open").then(() => true),
    once(socket, "error").then(() => false),
  ]).catch(() => false);
  socket.on("error", () => {});
  socket.terminate();
  return isOpen;
}

describe("the broker of the command", () => {
  it("takes programs and the pages of this machine, and others that are named alone", async () => {
    const { wsPort } = await start(["https://example.com"]);
    for (const origin of [
      undefined,
      "http://localhost:5173",
      "http://127.0.0.1:80",
      "http://[::1]:1",
      "https://example.com",
    ])
      expect([origin, await opens(wsPort, origin)]).toEqual([origin, true]);
    for (const origin of [
      "https://evil.example",
      "null",
      "http://localhost.evil.example",
      "https://example.com.evil.example",
      "http://127.0.0.1.evil.example",
    ])
      expect([origin, await opens(wsPort, origin)]).toEqual([origin, false]);
  });

  it("takes the pages of the address that it listens on", () => {
    expect(mayConnect("http://192.0.2.1:8080", "192.0.2.1", [])).toBe(true);
    expect(mayConnect("http://192.0.2.2:8080", "192.0.2.1", [])).toBe(false);
  });

  it("keeps nothing: no retained message, no will, no session", async () => {
    const { port } = await start();
    const connect = (options: object): Promise<mqtt.MqttClient> =>
      mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options });
    const will = { topic: "will", payload: Buffer.from("gone"), qos: 1, retain: true } as const;
    const first = await connect({ clientId: "a", clean: false, will });
    await first.subscribeAsync("topic", { qos: 1 });
    first.stream.destroy();
    const second = await connect({ clientId: "b" });
    await second.publishAsync("topic", "kept?", { qos: 1, retain: true });
    const third = await connect({ clientId: "a", clean: false });
    const heard: string[] = [];
    third.on("message", (topic, payload) => heard.push(`${topic} ${payload}`));
    await third.subscribeAsync(["topic", "will"], { qos: 1 });
    await second.publishAsync("topic", "now", { qos: 1 });
    await expect.poll(() => heard).toEqual(["topic now"]);
    await Promise.all([second.endAsync(true), third.endAsync(true)]);
  });
});
