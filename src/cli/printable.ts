import stringWidth from "string-width";

/**
 * Characters that could control the terminal or deceive the reader: control characters, characters that reverse the
 * writing direction, and characters that imitate the layout of another line. A text from a stranger must not contain
 * them. The two joiners are allowed, because scripts and emoji need them.
 */
const STEERING =
  /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3000\u3164\uffa0]/gu;

/**
 * A blank, a joiner or a mark after a blank. The fields of a line are separated by two blanks, so a text must never
 * contain two blanks in a row.
 */
const BLANK_RUN = /(?<=\p{Zs}(?:\u200c|\u200d|\p{M})*)(?:\p{Zs}|\u200c|\u200d|\p{M})/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text in one line. Everything that a terminal would obey is escaped. */
export function printable(text: string): string {
  return text
    .replace(STEERING, (character) => SHORT[character] ?? escaped(character))
    .replace(BLANK_RUN, escaped);
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** Bytes as text; undefined when they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Bytes for people: as text if they are UTF-8, otherwise in hex. */
export function shown(bytes: Uint8Array): string {
  const text = textOf(bytes);
  return text === undefined ? `0x${hex(bytes)}` : printable(text);
}

/** Bytes for programs: `text` if they are UTF-8, otherwise `hex`. */
export function content(bytes: Uint8Array): { text: string } | { hex: string } {
  const text = textOf(bytes);
  return text === undefined ? { hex: hex(bytes) } : { text };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** A value as one line of JSON. Dangerous characters are escaped, which does not change the meaning of the JSON. */
export function jsonLine(value: object): string {
  return JSON.stringify(value).replace(STEERING, (character) =>
    character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** The local time of day, for people. */
export function clockTime(date: Date = new Date()): string {
  return date.toTimeString().slice(0, 8);
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * A text after a head, in rows that the terminal need not wrap. All rows but the first are indented, so that no part of
 * the text looks like the beginning of a new line.
 */
export function hung(head: string, text: string, columns: number | undefined): string {
  if (columns === undefined) return head + text;
  const headWidth = stringWidth(head);
  const indent = Math.max(1, Math.min(headWidth, columns >> 1));
  let row = head;
  let width = headWidth;
  const rows: string[] = [];
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const cells = stringWidth(segment);
    if (width + cells > columns && width > indent) {
      rows.push(row);
      row = " ".repeat(indent);
      width = indent;
    }
    row += segment;
    width += cells;
  }
  return [...rows, row].join("\n");
}

/** A text in lines of at most `columns` columns. All lines but the first are indented. */
export function wrapped(text: string, columns: number = Number.POSITIVE_INFINITY): string[] {
  const lines: string[] = [];
  for (const word of text.split(/(?<=\S) /)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length < columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : `    ${word}`);
  }
  return lines;
}
