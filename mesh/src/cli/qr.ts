import { encode, renderUnicodeCompact } from "uqr";
import type { Output } from "./output.js";

/** A QR code for a terminal. It is light on dark, whatever the colours of the terminal are. */
export function qrCode(text: string, paint: Output["paint"]): string {
  const lines = renderUnicodeCompact(text, { border: 2 }).split("\n");
  return lines.map((line) => paint.bgBlack(paint.whiteBright(line))).join("\n");
}

/**
 * A QR code for SVG, without a frame.
 * @returns the number of modules of a side, and the path of the dark ones, one unit each
 */
export function qrPath(text: string): { readonly size: number; readonly path: string } {
  const { size, data } = encode(text, { border: 0 });
  const path = data
    .flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  return { size, path };
}
