import { element, squares } from "./element.js";

const SIZE = 5;

/** An address as people tell it from others: a picture made of it, and how it begins and ends. */
export function badge(address: string): HTMLElement {
  // The first byte of a compressed key is 02 or 03; the rest is as good as random.
  const bytes = Array.from({ length: SIZE * 3 + 1 }, (_, i) =>
    Number.parseInt(address.slice(2 + 2 * i, 4 + 2 * i), 16),
  );
  const rows = Array.from({ length: SIZE }, (_, y) =>
    Array.from({ length: SIZE }, (_, x) => (bytes[1 + y * 3 + Math.min(x, SIZE - 1 - x)] ?? 0) % 2 === 0),
  );
  const picture = element("span", { className: "picture" }, squares(rows, ""));
  picture.style.setProperty("--hue", String(Math.round(((bytes[0] ?? 0) / 256) * 360)));
  return element(
    "span",
    { className: "badge", title: address },
    picture,
    element("code", {}, shortOf(address)),
  );
}

export function shortOf(address: string): string {
  return `${address.slice(0, 6)}…${address.slice(-4)}`;
}
