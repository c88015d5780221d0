import { renderUnicodeCompact } from "uqr";
import type { Output } from "./output.js";

/**
 * A QR code for a terminal: light on dark, whatever the terminal's colours are. A text of capitals and digits only
 * needs a smaller code.
 */
export function qrCode(text: string, { paint }: Output): string {
  const lines = renderUnicodeCompact(text, { border: 2 }).split("\n");
  return lines.map((line) => paint.bgBlack(paint.whiteBright(line))).join("\n");
}
