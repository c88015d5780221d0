import { MeshError } from "../errors.js";

/** The maximum length of a line. 1000 allowed IPs of IPv6 are shorter than this. */
const MAX_LINE = 65_536;

/** A line `Key = value` of a configuration of WireGuard. */
export interface ConfEntry {
  /** The name in lower case, because WireGuard ignores the case. */
  readonly key: string;
  /** The name as it is written. */
  readonly name: string;
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

/** A part of the file, below `[Interface]` or `[Peer]`. */
export interface ConfSection {
  readonly kind: "interface" | "peer";
  readonly line: number;
  readonly entries: readonly ConfEntry[];
}

/**
 * Reads the sections of a configuration of WireGuard as `wg` and `wg-quick` do. The text after `#` is a comment, and
 * the case of sections and keys is ignored.
 * @throws {@link MeshError} `INVALID_OPTION`, with the number of the line. The value is not shown, as it may be a key.
 */
export function confSections(text: string): ConfSection[] {
  const sections: (ConfSection & { readonly entries: ConfEntry[] })[] = [];
  text.split("\n").forEach((whole, i) => {
    const line = i + 1;
    if (whole.length > MAX_LINE) throw wrongLine(line, `it has more than ${MAX_LINE} characters`);
    const written = whole.replace(/#.*$/s, "").trim();
    if (written === "") return;
    const section = /^\[\s*(interface|peer)\s*\]$/i.exec(written)?.[1]?.toLowerCase();
    if (section === "interface" || section === "peer") {
      sections.push({ kind: section, line, entries: [] });
      return;
    }
    const [, name = "", value = ""] = /^([A-Za-z]+)\s*=\s*(.*)$/s.exec(written) ?? [];
    if (name === "") throw wrongLine(line, "[Interface], [Peer] or NAME = VALUE is expected");
    const last = sections.at(-1);
    if (last === undefined) throw wrongLine(line, `${name} stands before [Interface]`);
    last.entries.push({ key: name.toLowerCase(), name, value, line });
  });
  return sections;
}

export function wrongLine(line: number, why: string): MeshError {
  return new MeshError("INVALID_OPTION", `line ${line}: ${why}`);
}
