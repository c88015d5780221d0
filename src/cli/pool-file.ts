import { type BrokerPool, defaultBrokers, parseBrokerPool, SidewireError } from "sidewire";
import type { Context } from "./context.js";
import { Failure } from "./failure.js";
import { readBytes, replaceFile } from "./files.js";

/** The pool in a file, or the one that comes with the package. @throws {@link Failure} `FILE`, `INVALID_POOL` */
export async function readPool({ options, signal }: Context): Promise<BrokerPool> {
  const path = options.brokers;
  if (path === undefined) return defaultBrokers;
  const bytes = await readBytes(path, signal);
  try {
    return parseBrokerPool(bytes.toString("utf8"));
  } catch (error) {
    if (error instanceof SidewireError) throw new Failure("INVALID_POOL", `${path}: ${error.message}`);
    throw error;
  }
}

/** Writes a pool in the place of an old one; for its owner alone where it holds passwords. */
export async function writePool(path: string, pool: BrokerPool): Promise<void> {
  const entries = [pool.IPv4, pool.IPv6].flatMap((family) => Object.values(family ?? {}));
  const hasPassword = entries.some(({ password }) => password !== undefined);
  await replaceFile(path, `${JSON.stringify(pool, undefined, 2)}\n`, hasPassword ? 0o600 : undefined);
}
