import { parseAddress as parse, SidewireError } from "sidewire";
import { Failure } from "./failure.js";

/** Converts an address to hex. @throws {@link Failure} `INVALID_ADDRESS` */
export function parseAddress(text: string, where: string): string {
  try {
    return parse(text, where);
  } catch (error) {
    if (!(error instanceof SidewireError)) throw error;
    throw new Failure("INVALID_ADDRESS", error.message);
  }
}
