import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { readKey } from "./key-file.js";
import { hex } from "./printable.js";
import { qrCode } from "./qr-code.js";

/** Shows the own address. */
export async function id(context: Context, { qr, secret }: { qr?: true; secret?: true }): Promise<ExitCode> {
  const { output } = context;
  const { keys, path } = await readKey(context);
  const address = keys.publicKeyHex;
  const secretKey = secret ? hex(keys.secretKey) : undefined;
  await output.result({ address, keyFile: path, ...(secretKey === undefined ? {} : { secretKey }) }, () =>
    [address, ...(secretKey === undefined ? [] : [secretKey])].join("\n"),
  );
  if (qr && !output.json) await output.line(qrCode(address, output));
  return 0;
}
