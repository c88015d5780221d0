import { NoBrokerError, type ProbeResult } from "sidewire";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { pause } from "./interrupt.js";
import { readKey } from "./key-file.js";
import { startPeer, waitOptions, withPeer } from "./peer.js";
import { destination } from "./people.js";
import { readPool } from "./pool-file.js";
import { clockTime, count, milliseconds } from "./printable.js";

const NOBODY: ProbeResult = { reachable: false, brokers: [] };

/** Asks whether a peer is there, once or until an interrupt. */
export async function probe(
  context: Context,
  dest: string,
  { watch, interval = 2000 }: { watch?: true; interval?: number },
): Promise<ExitCode> {
  const { output, signal } = context;
  const { to, people } = await destination(context, dest);
  const { keys } = await readKey(context);
  const brokers = await readPool(context);
  return await withPeer(context, { identity: keys, brokers, people, accept: () => false }, async (router) => {
    await startPeer(context, router, brokers);
    const ask = async (): Promise<ProbeResult> => {
      const pipe = await router.pipe(to, { signal, useCache: true });
      return await pipe.probe(waitOptions(context));
    };
    if (!watch) {
      const found = await output.waiting(`asking for ${people.short(to)}`, ask);
      await output.result({ to, ...people.named(to), ...found }, () => report(context, found));
      return found.reachable ? 0 : 1;
    }
    while (!signal.aborted) {
      const found = await ask().catch((error: unknown) => {
        // Watching goes on while the network is down.
        if (signal.aborted || error instanceof NoBrokerError) return NOBODY;
        throw error;
      });
      if (signal.aborted) break;
      await output.result({ time: new Date().toISOString(), to, ...people.named(to), ...found }, () =>
        line(context, found),
      );
      await pause(interval, signal);
    }
    return 0;
  });
}

function report({ output }: Context, { reachable, brokers, remoteClockOffsetMs }: ProbeResult): string {
  const { paint } = output;
  if (!reachable) return `${paint.red("✗")} no answer: not there, or on none of these brokers`;
  const rows = brokers.map(({ family, host, roundTripMs }) => [family, host, milliseconds(roundTripMs)]);
  const seconds = Math.round((remoteClockOffsetMs ?? 0) / 1000);
  // The difference is only accurate to about one second.
  const clock =
    Math.abs(seconds) < 2 ? "" : `, its clock ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}`;
  return `${paint.green("✓")} there, on ${count(brokers.length, "broker")}${clock}\n${output.table(["family", "broker", ">round trip"], rows)}`;
}

function line({ output }: Context, { reachable, brokers: [best, ...others] }: ProbeResult): string {
  const { paint } = output;
  const time = paint.dim(clockTime());
  if (!reachable || best === undefined) return `${time}  ${paint.red("✗")} no answer`;
  const more = others.length === 0 ? "" : `, and ${count(others.length, "more broker")}`;
  return `${time}  ${paint.green("✓")} ${milliseconds(best.roundTripMs)} by ${best.host} (${best.family})${more}`;
}
