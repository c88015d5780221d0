import { rankBrokers, SidewireError } from "sidewire";
import { Failure } from "./failure.js";

/** An address in its one spelling. @throws {@link Failure} `INVALID_ADDRESS` */
export function parseAddress(text: string, where: string): string {
  try {
    // What ranks brokers for an address checks it first.
    rankBrokers(text, {});
    return text.toLowerCase();
  } catch (error) {
    if (!(error instanceof SidewireError)) throw error;
    throw new Failure("INVALID_ADDRESS", error.message.replace(/^destination/, where));
  }
}
