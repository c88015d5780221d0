import { checkSettings } from "../config/checked-settings.js";
import type { Settings } from "../config/settings.js";
import { checkPeers } from "../device/checks.js";
import { writtenSettings } from "../origins/written.js";
import { formatKey } from "../wireguard-key.js";
import { readConfig } from "./config-files.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { count, printable } from "./printable.js";

/** Tells whether a configuration can be used, and which parts of it have no effect. Changes nothing. */
export async function check({ output, env }: Context, path: string): Promise<ExitCode> {
  const settings = await readConfig(path, env);
  const { create, peers = [], interface: name, notes = [] } = settings;
  const listed = create?.peers ?? peers;
  const named = listed.map(({ publicKey, allowedIps }) => ({ publicKey: formatKey(publicKey), allowedIps }));
  // If the configuration has no private key, no peer can have the own key. So any other key does.
  checkSettings(settings);
  checkPeers(create?.privateKey ?? new Uint8Array(32).fill(1), named);
  const found = { interface: name, creates: create !== undefined, peers: listed.length, notes };
  await output.result(found, () =>
    [
      `${printable(path)} is right: ${name === undefined ? "no interface is named" : printable(name)}, ` +
        `${create === undefined ? "used as it is" : "made"}, ${count(listed.length, "peer")}`,
      ...notes.map((note) => `  ${printable(note)}`),
    ].join("\n"),
  );
  return 0;
}

/** Shows a configuration in the own format, without its secrets. */
export async function show({ output, env }: Context, path: string): Promise<ExitCode> {
  const settings: Settings = await readConfig(path, env);
  const { json } = writtenSettings(settings);
  for (const note of settings.notes ?? []) output.warn(note);
  await output.result(json, () => JSON.stringify(json, undefined, 2));
  return 0;
}
