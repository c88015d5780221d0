import { resolve } from "node:path";
import { type BrokerPool, defaultBrokers, parseBrokerPool, SidewireError } from "sidewire";
import type { Context } from "./context.js";
import { Failure } from "./failure.js";
import { readBytes, replaceFile } from "./files.js";

/** Where the pool is: as the option says, else as `SIDEWIRE_BROKERS` says, else in the package. */
export function poolPath({ options }: Pick<Context, "options">): string | undefined {
  return (
    options.brokers ?? (process.env.SIDEWIRE_BROKERS ? resolve(process.env.SIDEWIRE_BROKERS) : undefined)
  );
}

/** The pool in a file, or the one that comes with the package. @throws {@link Failure} `FILE`, `INVALID_POOL` */
export async function readPool(context: Context): Promise<BrokerPool> {
  const path = poolPath(context);
  if (path === undefined) return defaultBrokers;
  const bytes = await readBytes(path, context.signal);
  try {
    const text = bytes.toString("utf8");
    const pool = parseBrokerPool(text);
    // Fields that are not known are for newer libraries, so that any object would be an empty pool.
    if (/"IPv[46]"/.test(text)) return pool;
  } catch (error) {
    if (error instanceof SidewireError) throw new Failure("INVALID_POOL", `${path}: ${error.message}`);
    throw error;
  }
  throw new Failure("INVALID_POOL", `${path}: no broker pool: it has neither IPv4 nor IPv6`);
}

/** Writes a pool in the place of an old one; for its owner alone where it holds passwords. */
export async function writePool(path: string, pool: BrokerPool): Promise<void> {
  const entries = [pool.IPv4, pool.IPv6].flatMap((family) => Object.values(family ?? {}));
  const hasPassword = entries.some(({ password }) => password !== undefined);
  await replaceFile(path, `${JSON.stringify(pool, undefined, 2)}\n`, hasPassword ? 0o600 : undefined);
}
