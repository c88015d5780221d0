/**
 * The part of a hosts file that belongs to one interface. It lies between two marker lines with the interface's name.
 * All other lines belong to somebody else and stay unchanged, byte for byte. A text here is the file's bytes as
 * characters (latin1), because the encoding of a hosts file is not defined.
 */
import { type HostEntry, hostEntries, type NamedNetwork } from "./host-names.js";

const MARKER = /^# (?:BEGIN|END) sidewire-mesh \S+$/;
const NOTE = "# Written by sidewire-mesh while it runs: a change of these lines does not last.";

/** A line that {@link withBlock} writes between the markers: an address, and one name or both. */
const OWN_LINE = /^[\da-f.:]+ (?<name>[a-z\d-]+\.(?<network>[a-z\d-]+))(?:\.internal(?: \k<name>)?)?$/;

/**
 * Puts the names of a network into a hosts file, and replaces earlier ones.
 * @returns the text without a block when there are no names
 */
export function withBlock(text: string, interfaceName: string, network: NamedNetwork): string {
  const { before, after } = around(text, interfaceName);
  const entries = untaken(hostEntries(network), before + after);
  if (entries.length === 0) return before + after;
  const block = [
    beginOf(interfaceName),
    NOTE,
    ...entries.map(({ address, names }) => [address, ...names].join(" ")),
    endOf(interfaceName),
  ];
  return `${before}${block.join("\n")}\n${after}`;
}

/** Removes the names of an interface from a hosts file. */
export function withoutBlock(text: string, interfaceName: string): string {
  const { before, after } = around(text, interfaceName);
  return before + after;
}

/** The parts of a hosts file before and after the block of the interface. */
function around(text: string, interfaceName: string): { readonly before: string; readonly after: string } {
  const lines = linesOf(text);
  const own = ownLines(lines, interfaceName);
  const kept = (part: readonly string[], offset: number): string =>
    part.filter((_, i) => !own.has(offset + i)).join("");
  const first = lines.findIndex((_, i) => own.has(i));
  if (first >= 0) return { before: kept(lines.slice(0, first), 0), after: kept(lines.slice(first), first) };
  // A last line without a line break must not get one, because later nobody would know that it had none.
  return text === "" || text.endsWith("\n") ? { before: text, after: "" } : { before: "", after: text };
}

/** The indices of the interface's lines. */
function ownLines(lines: readonly string[], interfaceName: string): Set<number> {
  const own = new Set<number>();
  const words = lines.map(wordsOf);
  let begun: number | undefined;
  for (const [i, word] of words.entries()) {
    if (!MARKER.test(word)) continue;
    const isEnd = word === endOf(interfaceName);
    if (begun !== undefined) addWithin(own, words, { from: begun, to: i, isWhole: isEnd });
    begun = word === beginOf(interfaceName) ? i : undefined;
    // A marker without its counterpart is useless.
    if (isEnd || begun === i) own.add(i);
  }
  if (begun !== undefined) addWithin(own, words, { from: begun, to: words.length, isWhole: false });
  return own;
}

/**
 * Adds the lines after a marker that this package has written. Between two markers, other lines belong to somebody
 * else. If the second marker is missing, as in a file that was cut off, only the lines that follow directly and name
 * one network count.
 */
function addWithin(
  own: Set<number>,
  words: readonly string[],
  { from, to, isWhole }: { readonly from: number; readonly to: number; readonly isWhole: boolean },
): void {
  let network: string | undefined;
  for (let i = from + 1; i < to; i++) {
    const word = words[i] ?? "";
    const said = OWN_LINE.exec(word)?.groups?.network;
    network ??= said;
    const isOwn = word === NOTE || (said !== undefined && (isWhole || said === network));
    if (isOwn) own.add(i);
    else if (!isWhole) return;
  }
}

/** Removes names that other lines define already, because somebody wants them so. */
function untaken(entries: readonly HostEntry[], others: string): HostEntry[] {
  const wanted = new Set(entries.flatMap(({ names }) => names));
  if (wanted.size === 0) return [];
  const taken = new Set(
    linesOf(others.toLowerCase()).flatMap((line) => {
      const [said = ""] = line.split("#");
      return said.split(/\s+/).filter((word) => wanted.has(word));
    }),
  );
  return entries.flatMap(({ address, names }) => {
    const free = names.filter((name) => !taken.has(name));
    return free.length === 0 ? [] : [{ address, names: free }];
  });
}

/** The lines, each with its line break. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** A line without its line break, which an editor may have changed. */
function wordsOf(line: string): string {
  return line.replace(/\r?\n?$/, "");
}

function beginOf(interfaceName: string): string {
  return `# BEGIN sidewire-mesh ${interfaceName}`;
}

function endOf(interfaceName: string): string {
  return `# END sidewire-mesh ${interfaceName}`;
}
