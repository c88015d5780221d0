import type { BrokerPool } from "sidewire";
import { type Check, checkPool, workingPool } from "./broker-check.js";
import type { Context } from "./context.js";
import { EMPTY_POOL, type ExitCode, Failure, inWords } from "./failure.js";
import { pause } from "./interrupt.js";
import type { Output } from "./output.js";
import { readPool, writePool } from "./pool-file.js";
import { clockTime, milliseconds } from "./printable.js";

export interface BrokersOptions {
  readonly watch?: true;
  readonly interval?: number;
  readonly write?: string;
}

/** A short interval would load public brokers, which belong to other people. Once a minute is enough. */
const INTERVAL_MS = 60_000;

/** Checks the pool, once or until an interrupt, and writes the brokers that work. */
export async function brokers(
  context: Context,
  { watch, interval = INTERVAL_MS, write }: BrokersOptions,
): Promise<ExitCode> {
  const { signal } = context;
  // The pool is read only once. `--write` may overwrite the same file with fewer brokers, but all of them must be
  // checked.
  const pool = await readPool(context);
  for (;;) {
    const checks = await check(context, pool).catch((error: unknown) => {
      // Watching ends by an interrupt, so the interrupt is no error. The results of half a check are useless.
      if (watch && signal.aborted) return undefined;
      throw error;
    });
    if (checks === undefined) return 0;
    if (checks.length === 0) throw new Failure("NO_BROKER", EMPTY_POOL, 1);
    await show(context, checks);
    if (write !== undefined) await keep(context, pool, checks, write);
    if (!watch) return checks.some(({ ok }) => ok) ? 0 : 1;
    await pause(interval, signal);
    if (signal.aborted) return 0;
  }
}

function check({ options, output, signal }: Context, pool: BrokerPool): Promise<Check[]> {
  return output.waiting("checking", (update) =>
    checkPool(pool, {
      signal,
      timeout: options.timeout,
      onDone: (done, of) => update(`checking: ${done} of ${of}`),
    }),
  );
}

async function show({ output }: Context, checks: readonly Check[]): Promise<void> {
  const time = new Date();
  if (output.json) {
    for (const one of checks) await output.result({ time: time.toISOString(), ...one }, () => "");
    return;
  }
  await output.line(tableOf(output, checks));
  await output.line(`\n${summary(checks)} ${output.paint.dim(`(${clockTime(time)})`)}`);
}

/** If no broker works, the file stays as it is: an hour without a network must not destroy a good pool. */
async function keep(
  { output }: Context,
  pool: BrokerPool,
  checks: readonly Check[],
  path: string,
): Promise<void> {
  if (checks.some(({ ok }) => ok)) {
    await writePool(path, workingPool(pool, checks, new Date()));
    output.note(`${output.paintNotes.green("✓")} what works is in ${path}`);
  } else {
    output.warn("NO_BROKER", `nothing works from here: ${path} is left as it was`);
  }
}

function tableOf(output: Output, checks: readonly Check[]): string {
  const { dim, green, red } = output.paint;
  const rows = checks.map(({ family, host, transport, port, ok, skipped, connectMs, echoMs, error = "" }) => [
    family,
    host,
    transport,
    String(port),
    connectMs === undefined ? "" : milliseconds(connectMs),
    echoMs === undefined ? "" : milliseconds(echoMs),
    ok ? green("✓") : `${skipped ? dim("–") : red("✗")} ${inWords(error)}`,
  ]);
  return output.table(["family", "broker", "by", ">port", ">connect", ">echo", "result"], rows);
}

function summary(checks: readonly Check[]): string {
  const hosts = (some: readonly Check[]): number =>
    new Set(some.map(({ family, host }) => `${family} ${host}`)).size;
  const working = checks.filter(({ ok }) => ok);
  const tried = checks.filter(({ skipped }) => !skipped);
  return `${hosts(working)} of ${hosts(checks)} brokers can be used, ${working.length} of ${tried.length} ports`;
}
