/** Characters that could control the terminal, or make a text look like another line. */
const STEERING = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3000\u3164\uffa0]/gu;

/** A text in one line. Everything that a terminal would obey is escaped. */
export function printable(text: string): string {
  return text.replace(STEERING, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
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

/** A key in short form. `ping` accepts this beginning of a key. */
export function shortKey(key: string): string {
  return `${printable(key.slice(0, 8))}…`;
}

/** The name of a peer, or its key in short form. */
export function peerName({ name, publicKey }: { name?: string | undefined; publicKey: string }): string {
  return name === undefined ? shortKey(publicKey) : printable(name);
}

export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

/** A time span in its largest unit, for people. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [unit, size] = UNITS.find(([, least]) => seconds >= least) ?? ["s", 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** A number of bytes for people, in powers of 1000. */
export function bytes(count: number): string {
  const power = count < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB", "PB"][power]}`;
}

/** The local time of day. */
export function clockTime(date: Date): string {
  return date.toTimeString().slice(0, 8);
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** A text in lines of at most `columns` columns. All lines but the first begin with `indent`. */
export function wrapped(
  text: string,
  columns: number = Number.POSITIVE_INFINITY,
  indent: string = "    ",
): string {
  const lines: string[] = [];
  for (const word of text.split(/(?<=\S) /)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length < columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : indent + word);
  }
  return lines.join("\n");
}
