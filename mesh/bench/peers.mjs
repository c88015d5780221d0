/**
 * A mesh of the built package, with Node's `--expose-gc`. For each number of peers that it reads it waits until there
 * are so many, and then as long as it is told; it says what memory is in use.
 */
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { Mesh } from "../dist/index.js";

const { waitMs, ...options } = JSON.parse(process.argv[2]);
const { parseBrokerPool } = await import("sidewire");
const mesh = await Mesh.open({ ...options, brokers: parseBrokerPool(options.brokers) });

for await (const line of createInterface({ input: process.stdin })) {
  while (mesh.peers().length !== Number(line)) await wait(100);
  await wait(waitMs);
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
  const { heapUsed, external } = process.memoryUsage();
  const states = new Set(mesh.peers().map(({ state }) => state));
  process.stdout.write(`${JSON.stringify({ bytes: heapUsed + external, states: [...states] })}\n`);
}
await mesh.close();
