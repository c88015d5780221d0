import { resolve } from "node:path";
import { type BrokerPool, defaultBrokers, parseBrokerPool, SidewireError } from "sidewire";
import type { Context } from "./context.js";
import { Failure } from "./failure.js";
import { readBytes, replaceFile } from "./files.js";

/** The path of the pool file: the option, else `SIDEWIRE_BROKERS`; undefined for the pool in the package. */
export function poolPath({ options }: Pick<Context, "options">): string | undefined {
  return (
    options.brokers ?? (process.env.SIDEWIRE_BROKERS ? resolve(process.env.SIDEWIRE_BROKERS) : undefined)
  );
}

/** Reads the pool file, or returns the pool in the package. @throws {@link Failure} `FILE`, `INVALID_POOL` */
export async function readPool(context: Context): Promise<BrokerPool> {
  const path = poolPath(context);
  if (path === undefined) return defaultBrokers;
  const bytes = await readBytes(path, context.signal);
  try {
    const text = bytes.toString("utf8");
    const pool = parseBrokerPool(text);
    // The parser ignores unknown fields, which newer versions may have. So it would take any object for an empty pool.
    if (/"IPv[46]"/.test(text)) return pool;
  } catch (error) {
    if (error instanceof SidewireError) throw new Failure("INVALID_POOL", `${path}: ${error.message}`);
    throw error;
  }
  throw new Failure("INVALID_POOL", `${path}: no broker pool: it has neither IPv4 nor IPv6`);
}

/** Writes a pool file, or replaces an old one. If the pool has passwords, only the owner can read the file. */
export async function writePool(path: string, pool: BrokerPool): Promise<void> {
  const entries = [pool.IPv4, pool.IPv6].flatMap((family) => Object.values(family ?? {}));
  const hasPassword = entries.some(({ password }) => password !== undefined);
  await replaceFile(path, `${JSON.stringify(pool, undefined, 2)}\n`, hasPassword ? 0o600 : undefined);
}
