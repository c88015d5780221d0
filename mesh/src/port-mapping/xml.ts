/**
 * Parses a small XML document into its elements, in order. Only the XML that gateways write is supported: the five
 * built-in entities, no document type, and no namespaces. Of a name, the part after the colon counts. A document beyond
 * the limits is refused.
 */

/** The maximum length of a document in bytes. The descriptions of real gateways have 2 to 12 kB. */
export const MAX_XML_BYTES: number = 64 << 10;

const MAX_DEPTH = 32;
const MAX_ELEMENTS = 4096;

export interface XmlElement {
  /** The name without its prefix. */
  readonly name: string;
  /** The text of this element, without that of its children. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface Open {
  readonly full: string;
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

/** @returns undefined for a text that is not such a document */
export function parseXml(document: string): XmlElement | undefined {
  if (document.length > MAX_XML_BYTES) return undefined;
  const root: Open = { full: "", name: "", text: "", children: [] };
  const open: Open[] = [root];
  let count = 0;
  for (let at = 0; at < document.length; ) {
    const next = document.indexOf("<", at);
    const top = open.at(-1);
    if (top === undefined) return undefined;
    const text = decoded(document.slice(at, next < 0 ? undefined : next));
    if (text === undefined) return undefined;
    top.text += text;
    if (next < 0) break;
    const skipped = pastRemark(document, next);
    if (skipped !== undefined) {
      at = skipped;
      continue;
    }
    const end = document.indexOf(">", next);
    // A document type is refused here, because its name begins with "!".
    const tag = end < 0 ? null : TAG.exec(document.slice(next, end + 1));
    if (tag === null) return undefined;
    const [, closing, full = "", isEmpty] = tag;
    at = end + 1;
    if (closing === "/") {
      if (top.full !== full || open.length < 2) return undefined;
      open.pop();
      continue;
    }
    if (++count > MAX_ELEMENTS || open.length > MAX_DEPTH) return undefined;
    const element: Open = { full, name: full.slice(full.indexOf(":") + 1), text: "", children: [] };
    top.children.push(element);
    if (isEmpty !== "/") open.push(element);
  }
  const [first] = root.children;
  return open.length === 1 && root.children.length === 1 && root.text.trim() === "" ? first : undefined;
}

/** All elements with this name, at any depth, in the order of the document. */
export function elementsOf({ children }: XmlElement, name: string): XmlElement[] {
  return children.flatMap((child) => [...(child.name === name ? [child] : []), ...elementsOf(child, name)]);
}

/** The text of the first child with this name. */
export function textOf({ children }: XmlElement, name: string): string | undefined {
  return children.find((child) => child.name === name)?.text.trim();
}

/** A text, escaped for an element. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Attributes are ignored, but must not contain ">". */
const TAG = /^<(\/?)([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)(?:\s[^<>]*?)?(\/?)>$/;

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** The position after a comment or an instruction; undefined when there is none. */
function pastRemark(document: string, at: number): number | undefined {
  for (const [start, end] of [
    ["<!--", "-->"],
    ["<?", "?>"],
  ] as const) {
    if (!document.startsWith(start, at)) continue;
    const close = document.indexOf(end, at + start.length);
    return close < 0 ? document.length : close + end.length;
  }
  return undefined;
}

function decoded(text: string): string | undefined {
  let isBad = false;
  const whole = text.replace(/&([a-z]{1,8};)?/g, (_, name: string | undefined) => {
    const known = name === undefined ? undefined : ENTITIES[name.slice(0, -1)];
    isBad ||= known === undefined;
    return known ?? "";
  });
  return isBad ? undefined : whole;
}
