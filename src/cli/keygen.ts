import { formatAddress } from "sidewire";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { createKey } from "./key-file.js";
import { qrCode } from "./qr-code.js";

/** Makes a key, and shows its address. */
export async function keygen({ options, output }: Context, { qr }: { qr?: true }): Promise<ExitCode> {
  const { keys, path } = await createKey(options.key);
  const address = keys.publicKeyHex;
  const sw1 = formatAddress(address);
  await output.result({ sw1, address, keyFile: path }, () => sw1);
  if (qr && !output.json) await output.line(qrCode(sw1.toUpperCase(), output));
  output.note(
    output.paintNotes.dim(`The key is in ${path}. The line above is its address: give it to your peers.`),
  );
  return 0;
}
