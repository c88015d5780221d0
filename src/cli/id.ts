import { formatAddress } from "sidewire";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { readKey } from "./key-file.js";
import { hex } from "./printable.js";
import { qrCode } from "./qr-code.js";

export interface IdOptions {
  readonly hex?: true;
  readonly qr?: true;
  readonly secret?: true;
}

/** Shows the own address. */
export async function id(context: Context, { hex: inHex, qr, secret }: IdOptions): Promise<ExitCode> {
  const { output } = context;
  const { keys, path } = await readKey(context);
  const address = keys.publicKeyHex;
  const sw1 = formatAddress(address);
  const secretKey = secret ? hex(keys.secretKey) : undefined;
  await output.result(
    { sw1, address, keyFile: path, ...(secretKey === undefined ? {} : { secretKey }) },
    () => [inHex ? address : sw1, ...(secretKey === undefined ? [] : [secretKey])].join("\n"),
  );
  if (qr && !output.json) await output.line(qrCode(sw1.toUpperCase(), output));
  return 0;
}
