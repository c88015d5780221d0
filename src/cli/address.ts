import { Point } from "@noble/secp256k1";
import { rankBrokers, SidewireError } from "sidewire";
import { Failure } from "./failure.js";

/** An address in its one spelling. @throws {@link Failure} `INVALID_ADDRESS` */
export function parseAddress(text: string, where: string): string {
  try {
    // What ranks brokers for an address checks its form first.
    rankBrokers(text, {});
  } catch (error) {
    if (!(error instanceof SidewireError)) throw error;
    throw new Failure("INVALID_ADDRESS", error.message.replace(/^destination/, where));
  }
  try {
    // Not by node:crypto, which knows the curve in Node but not in Bun.
    Point.fromHex(text);
  } catch {
    throw new Failure("INVALID_ADDRESS", `${where}: no point on the curve secp256k1, so nobody's address`);
  }
  return text.toLowerCase();
}
