import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { printable } from "./printable.js";

/** Ends the daemon of an interface, and waits for its end. */
export async function down({ output, env, signal }: Context, name: string): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  const putBack = await client.down(signal);
  await output.result({ event: "ended", interface: name, putBack }, () => endedText(name, putBack));
  return 0;
}

/** What a daemon has restored, in words. */
export function endedText(name: string, putBack: readonly string[]): string {
  const lines = putBack.map((one) => `  ${printable(one)}`);
  return [`${name} is left as it was${lines.length === 0 ? "." : ":"}`, ...lines].join("\n");
}
