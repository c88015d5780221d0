import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { Context } from "./context.js";
import { type ExitCode, UsageError } from "./failure.js";
import { count, printable } from "./printable.js";
import { qrCode } from "./qr.js";

export interface InviteOptions {
  readonly uses: number;
  readonly expires: string;
  readonly approve?: boolean;
  readonly network?: string;
  readonly name?: string;
  readonly groups?: readonly string[];
  readonly routes?: readonly string[];
}

/** Makes a token by which other machines can join, and shows it. */
export async function invite(
  { output, env, signal }: Context,
  interfaceName: string | undefined,
  { expires, approve = false, ...options }: InviteOptions,
): Promise<ExitCode> {
  const expiresS = secondsOf(expires);
  const client = await ControlClient.find(runtimeFolder(env), interfaceName);
  const reply = await client.membership({ do: "invite", expiresS, approve, ...options }, signal);
  if (reply.did !== "invite") throw new Error("the daemon answered something else");
  for (const note of reply.notes) output.note(printable(note));
  const { token, uses, expires: until } = reply;
  await output.result({ token, network: reply.network, expires: until, uses }, () => token);
  if (output.columns !== undefined && !output.json)
    await output.write(`\n${qrCode(token, output.paint)}\n\n`);
  output.note(
    `Whoever has it can join ${printable(reply.network)}: ${count(uses, "machine")}, until ${new Date(until).toLocaleString()}.` +
      `\nOn the new machine: sudo sidewire-mesh join TOKEN`,
  );
  return 0;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function secondsOf(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,8})([smhd])$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (seconds >= 1 && seconds <= 365 * 86_400) return seconds;
  throw new UsageError(`--expires ${text}: a time up to 365d is expected, as in 90s, 30m, 12h or 7d`);
}
