import { hostname } from "node:os";
import { checkInterfaceName } from "../device/checks.js";
import { MeshError } from "../errors.js";
import { join as joinNetwork } from "../membership/joining.js";
import { KeyFile } from "../membership/key-file.js";
import { RosterFile } from "../membership/roster-file.js";
import { parseToken } from "../membership/token.js";
import { DEFAULT_STATE_FOLDER } from "../mesh-options.js";
import { isName, nameFrom } from "../roster/member-name.js";
import type { Context } from "./context.js";
import type { DaemonOptions } from "./daemon-options.js";
import { type ExitCode, UsageError } from "./failure.js";
import { readPool } from "./input-files.js";
import { printable } from "./printable.js";
import { up } from "./up.js";

export interface JoinOptions extends DaemonOptions {
  readonly interface: string;
  readonly name?: string;
  readonly listenPort?: number;
}

/** Makes this machine a member of a network, and then manages its interface. */
export async function join(context: Context, text: string, options: JoinOptions): Promise<ExitCode> {
  const { output, signal } = context;
  const { interface: interfaceName, state: folder = DEFAULT_STATE_FOLDER } = options;
  checkInterfaceName(interfaceName);
  const token = parseToken(text);
  const name = options.name ?? nameFrom(hostname()) ?? "host";
  if (!isName(name))
    throw new UsageError(`--name ${name}: 1 to 63 of a-z, 0-9 and - are expected, as in web-2`);
  const file = await RosterFile.open(folder, interfaceName);
  if (file.trouble !== undefined) output.warn(file.trouble);
  if (file.roster !== undefined)
    throw new MeshError(
      "CONFLICT",
      `${interfaceName} is in a network already: sidewire-mesh up ${interfaceName} goes on with it; for another network ` +
        "name another interface with --interface",
    );
  const privateKey = await new KeyFile(folder, interfaceName).readOrMake();
  // Saved before joining, so that this host keeps the signing key that it sends.
  await file.save();
  output.note(`Joining ${printable(token.network)} as ${printable(name)}…`);
  const brokers = options.brokers === undefined ? token.brokers : await readPool(options.brokers);
  file.roster = await joinNetwork({
    ...{ token, privateKey, key: file.key, name, isNameFixed: options.name !== undefined },
    ...{ brokers, getTime: Date.now, signal, onNote: (note) => output.note(note) },
  });
  await file.save();
  const { interface: _, name: __, ...rest } = options;
  return await up(context, interfaceName, { ...rest, joined: { brokers } });
}
