import { join } from "node:path";
import type { Lab, LongRunning } from "../lab/index.js";

/** A message that a broker was given. */
export interface Message {
  /** Unix ms. */
  readonly time: number;
  readonly topic: string;
  /** Of its payload, bytes. */
  readonly length: number;
}

/** Sees every message that the brokers of a lab are given, from the start on. It ends with the lab. */
export class BrokerWatch {
  readonly #process: LongRunning;

  private constructor(process: LongRunning) {
    this.#process = process;
  }

  static async start(lab: Lab): Promise<BrokerWatch> {
    const urls = lab.brokers.map(({ address, port }) => `mqtt://${address.IPv4}:${port}`);
    const script = join(import.meta.dirname, "broker-watch.mjs");
    const watch = new BrokerWatch(lab.middle.spawn([process.execPath, script, ...urls]));
    await watch.#process.wrote(/^watching$/m);
    return watch;
  }

  /** In the order in which they came. */
  messages(): Message[] {
    const lines = this.#process.log.split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line));
  }
}
