import { MeshError } from "../errors.js";

/** The longest line that is read: longer than 1000 allowed IPs of IPv6. */
const MAX_LINE = 65_536;

/** A line `Key = value` of a configuration of WireGuard. */
export interface ConfEntry {
  /** In small letters: WireGuard does not tell them apart. */
  readonly key: string;
  /** As it is written. */
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
 * The sections of a configuration of WireGuard, as `wg` and `wg-quick` read it: what stands behind `#` is a comment, and
 * sections and keys may be in capitals or not.
 * @throws {@link MeshError} `INVALID_OPTION`, with the line; its value is not shown, which may be a key
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
