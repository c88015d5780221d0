// What is for Node alone: hints in a file, and the time from a server. `process.argv[2]` is the server.
import { FileHintStore, ntpClock } from "sidewire/node";

const path = `hints-${process.pid}/hints.json`;
const hints = [{ af: 2, host: "broker.example", port: 1883 }];
await new FileHintStore(path).set("02".repeat(33), hints);
const kept = await new FileHintStore(path).get("02".repeat(33));
if (kept?.[0]?.host !== hints[0].host) throw new Error(`kept: ${JSON.stringify(kept)}`);

const clock = await ntpClock({ servers: [process.argv[2]] });
const wrongBy = clock.now() - Date.now() - 60_000;
clock.close();
if (!(Math.abs(wrongBy) < 1000))
  throw new Error(`the server is a minute ahead, the clock ${wrongBy} ms more`);
