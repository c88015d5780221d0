import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { metricsText } from "./metrics-text.js";

/** Prints what the daemon knows as numbers, for monitoring programs. */
export async function metrics({ output, env, signal }: Context, name: string | undefined): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  const info = await client.status(signal);
  await output.result(info, () => metricsText(info).trimEnd());
  return 0;
}
