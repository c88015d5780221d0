/** An element with properties and children; text is only ever set as text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** An SVG image of unit squares, for instance a QR code. */
export function squares(rows: readonly (readonly boolean[])[], label: string): SVGSVGElement {
  const path = rows
    .flatMap((row, y) => row.map((filled, x) => (filled ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  const svg = svgElement("svg", { viewBox: `0 0 ${rows[0]?.length ?? 0} ${rows.length}`, role: "img" });
  if (label === "") svg.setAttribute("aria-hidden", "true");
  else svg.setAttribute("aria-label", label);
  svg.append(svgElement("path", { d: path, "shape-rendering": "crispEdges", fill: "currentColor" }));
  return svg;
}

function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>>,
): SVGElementTagNameMap[K] {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** The element of the page with this id. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${type.name} #${id}`);
}
