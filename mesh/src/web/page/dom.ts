const SVG = "http://www.w3.org/2000/svg";

type Attributes = Readonly<Record<string, string | number>>;

/** Makes an element of HTML. Texts become text nodes, whatever is in them. */
export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Makes an element of SVG, as {@link html} does. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** An element of the page that is there from the start. */
export function find<T extends Element>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`the page has no #${id}`);
}

/** Sets a text, and touches nothing when it is the same: what a reader has selected stays selected. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets a text as {@link setText} does. A line may break before a port at its end. */
export function setPlace(element: Element, text: string): void {
  if (element.textContent === text) return;
  const [host = "", port] = text.split(/(?=:\d+$)/);
  element.replaceChildren(host, ...(port === undefined ? [] : [document.createElement("wbr"), port]));
}

/** Makes the content of an element anew when a value is another one than last time. */
export function whenChanged(element: Element, value: unknown, make: () => readonly (Node | string)[]): void {
  const now = JSON.stringify(value) ?? "";
  if (lastValues.get(element) === now) return;
  lastValues.set(element, now);
  element.replaceChildren(...make());
}

const lastValues = new WeakMap<Element, string>();
