/** Says of each message that brokers are given when and how long it was, a JSON object a line. */
import mqtt from "mqtt";

const urls = process.argv.slice(2);
await Promise.all(
  urls.map(async (url) => {
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0 });
    client.on("message", (topic, { length }) => {
      process.stdout.write(`${JSON.stringify({ time: Date.now(), topic, length })}\n`);
    });
    await client.subscribeAsync("#");
  }),
);
process.stdout.write("watching\n");
