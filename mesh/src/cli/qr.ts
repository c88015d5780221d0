import { renderUnicodeCompact } from "uqr";
import type { Output } from "./output.js";

/** A QR code for a terminal. It is light on dark, whatever the colours of the terminal are. */
export function qrCode(text: string, paint: Output["paint"]): string {
  const lines = renderUnicodeCompact(text, { border: 2 }).split("\n");
  return lines.map((line) => paint.bgBlack(paint.whiteBright(line))).join("\n");
}
