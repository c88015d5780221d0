import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { MeshInfo } from "../info.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { statusText } from "./status-text.js";

export interface StatusOptions {
  readonly watch?: true;
}

/** Escape codes that redraw the screen without flicker: cursor to the top, clear to the end of a line, clear below. */
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** Shows what the daemon knows, once or after each change. */
export async function status(
  { output, env, signal }: Context,
  name: string | undefined,
  { watch }: StatusOptions,
): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  const show = (info: MeshInfo): string =>
    statusText(info, { now: Date.now(), columns: output.columns, paint: output.paint });
  if (!watch) {
    const info = await client.status(signal);
    await output.result(info, () => show(info));
    return 0;
  }
  try {
    for await (const info of client.watch(signal)) {
      const isScreen = output.columns !== undefined && !output.json;
      if (!isScreen) await output.result(info, () => show(info));
      else
        await output.write(
          `${HOME}${show(info).replaceAll("\n", `${CLEAR_LINE}\n`)}${CLEAR_LINE}\n${CLEAR_BELOW}`,
        );
    }
  } catch (error) {
    // Watching ends by an interrupt.
    if (signal.aborted) return 0;
    throw error;
  }
  output.note("The daemon has ended.");
  return 0;
}
