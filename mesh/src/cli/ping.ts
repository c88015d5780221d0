import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { PingAnswer } from "../info.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { pause } from "./interrupt.js";
import { milliseconds, printable, shortKey } from "./printable.js";
import { PATHS } from "./words.js";

export interface PingOptions {
  readonly count?: number;
  readonly interface?: string;
}

/** The interval of ping(8), in ms. */
const INTERVAL_MS = 1000;

/** Asks a peer on each path, again and again. */
export async function ping(
  { output, env, signal }: Context,
  peer: string,
  { count = Number.POSITIVE_INFINITY, interface: name }: PingOptions,
): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  let isAnswered = false;
  for (let i = 1; i <= count && !signal.aborted; i++) {
    const startedAt = performance.now();
    const asked = await client.ping(peer, signal).catch((error: unknown) => {
      // The command ends by an interrupt, so the interrupt is no error. Half a result is useless.
      if (signal.aborted) return undefined;
      throw error;
    });
    if (asked === undefined) break;
    const { peer: publicKey, answers } = asked;
    isAnswered ||= answers.some(({ roundTripMs }) => roundTripMs !== undefined);
    if (answers.length === 0)
      await output.result(
        { publicKey, number: i },
        () => `${shortKey(publicKey)}  no path to try: its candidates are not known yet`,
      );
    for (const answer of answers)
      await output.result({ publicKey, number: i, ...answer }, () => line(publicKey, answer));
    if (i < count) await pause(startedAt + INTERVAL_MS - performance.now(), signal);
  }
  return isAnswered ? 0 : 1;
}

function line(publicKey: string, { kind, endpoint, isInUse, roundTripMs }: PingAnswer): string {
  const time = roundTripMs === undefined ? "no answer" : milliseconds(roundTripMs);
  const used = isInUse ? "  in use" : "";
  return `${shortKey(publicKey)}  ${PATHS[kind].padEnd(11)}  ${printable(endpoint).padEnd(21)}  ${time}${used}`;
}
