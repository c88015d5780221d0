import { findPlaces, type LookUpHost, type WrittenPlace } from "../config/host-places.js";
import { addressFrom, allowedIpFrom, keyFrom, MAX_PEERS } from "../config/parts.js";
import type { Argv, Hooks, Settings } from "../config/settings.js";
import { checkInterfaceName } from "../device/checks.js";
import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { formatKey } from "../wireguard-key.js";
import { type ConfEntry, type ConfSection, confSections, wrongLine } from "./conf-lines.js";
import { unusedPlaces } from "./unused-places.js";

/** The known keys of each section, and whether a section may contain a key more than once. */
const KNOWN: Readonly<Record<ConfSection["kind"], ReadonlyMap<string, "once" | "often">>> = {
  interface: new Map([
    ...(["privatekey", "listenport", "mtu", "table", "fwmark", "saveconfig"] as const).map(
      (key) => [key, "once"] as const,
    ),
    ...(["address", "dns", "preup", "postup", "predown", "postdown"] as const).map(
      (key) => [key, "often"] as const,
    ),
  ]),
  peer: new Map([
    ...(["publickey", "presharedkey", "endpoint", "persistentkeepalive"] as const).map(
      (key) => [key, "once"] as const,
    ),
    ["allowedips", "often"],
  ]),
};

/** The range of the MTU. IPv6 needs at least 1280 (RFC 8200). */
const MIN_MTU = 1280;
const MAX_MTU = 65_535;

/** The keepalive that the device sets. */
const KEEPALIVE_S = 25;

/**
 * Reads a file of wg-quick, such as `/etc/wireguard/wg0.conf`. The interface is made as wg-quick makes it.
 * @param name - the name of the interface, from the name of the file
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`, each with the line
 */
export async function parseWgQuick(text: string, name: string, lookUp: LookUpHost): Promise<Settings> {
  // The name is inserted into commands for a shell.
  checkInterfaceName(name);
  const sections = confSections(text);
  const [first, ...more] = sections.filter(({ kind }) => kind === "interface");
  const [peers, places] = [sections.filter(({ kind }) => kind === "peer"), [] as WrittenPlace[]];
  if (first === undefined) throw new MeshError("INVALID_OPTION", "it has no [Interface]");
  if (more[0] !== undefined) throw wrongLine(more[0].line, "there is one [Interface] already");
  if (peers.length > MAX_PEERS) throw new MeshError("INVALID_OPTION", `it has more than ${MAX_PEERS} peers`);
  for (const section of sections) checkEntries(section);
  const own = new Section(first);
  if (own.all("privatekey").length === 0) throw keyIsElsewhere(first, name);
  const notes = notesOn(own, name);
  const read = peers.map((section) => peerOf(new Section(section), places));
  const { endpoints, written, notes: unknown } = await findPlaces(places, lookUp);
  return {
    interface: name,
    create: {
      privateKey: own.need("privatekey", (entry) => keyFrom(entry.value, partOf(entry))),
      listenPort: own.one("listenport", (entry) => wholeNumber(entry, 0, 65_535)) || undefined,
      mtu: own.one("mtu", (entry) => wholeNumber(entry, MIN_MTU, MAX_MTU)),
      addresses: own.list("address").map(({ value, part }) => addressFrom(value, part)),
      peers: read.map((peer): NewPeer => {
        const endpoint = endpoints.get(formatKey(peer.publicKey));
        return endpoint === undefined ? peer : { ...peer, endpoint };
      }),
    },
    hooks: hooksOf(own, name),
    names: new Map(),
    hostPlaces: written,
    notes: [...notes, ...keepaliveNotes(peers), ...unusedPlaces(places), ...unknown],
  };
}

/** Many files have no private key, and a PostUp with `wg set %i private-key FILE`. Here the key is needed before that. */
function keyIsElsewhere({ line }: ConfSection, name: string): MeshError {
  return wrongLine(
    line,
    "PrivateKey is missing in this section. If PostUp sets it, as in `wg set %i private-key FILE`, let wg-quick make " +
      `the interface: \`wg-quick up ${name}\`, and \`sidewire-mesh up ${name}\` without --config`,
  );
}

function peerOf(section: Section, places: WrittenPlace[]): NewPeer {
  const publicKey = section.need("publickey", (entry) => keyFrom(entry.value, partOf(entry)));
  const presharedKey = section.one("presharedkey", (entry) => keyFrom(entry.value, partOf(entry)));
  const allowedIps = section.list("allowedips").map(({ value, part, line }) => {
    const prefix = allowedIpFrom(value, part);
    if (prefix.bits <= 1)
      throw wrongLine(
        line,
        `AllowedIPs "${value}": a way out to the internet is for wg-quick to make: \`wg-quick up\` the interface, and ` +
          "`sidewire-mesh up` it without --config",
      );
    return prefix;
  });
  section.one("endpoint", (entry) =>
    places.push({ publicKey: formatKey(publicKey), text: entry.value, part: partOf(entry) }),
  );
  return { publicKey, allowedIps, ...(presharedKey === undefined ? {} : { presharedKey }) };
}

/** A sentence for the peers with another keepalive than all peers have here. */
function keepaliveNotes(peers: readonly ConfSection[]): string[] {
  const [first, ...more] = peers.flatMap(
    (section) =>
      new Section(section).one("persistentkeepalive", (entry) => {
        const seconds = /^off$/i.test(entry.value) ? 0 : wholeNumber(entry, 0, 65_535);
        return seconds === KEEPALIVE_S ? [] : [entry];
      }) ?? [],
  );
  if (first === undefined) return [];
  const others = more.length === 0 ? "" : `; the same for ${more.length} more`;
  return [
    `line ${first.line}: ${first.name}: it is ${KEEPALIVE_S} s here for each peer, once there is a path${others}`,
  ];
}

/** A sentence for each entry of the interface section that has no effect here. */
function notesOn(own: Section, name: string): string[] {
  own.one("table", (entry) => {
    if (!/^auto$/i.test(entry.value))
      throw wrongLine(
        entry.line,
        `Table = ${entry.value}: other tables of routes are for wg-quick to fill: \`wg-quick up ${name}\`, and ` +
          `\`sidewire-mesh up ${name}\` without --config`,
      );
  });
  const notes: string[] = [];
  const noted = (key: string, why: string): void => {
    const [entry] = own.all(key);
    if (entry !== undefined) notes.push(`line ${entry.line}: ${entry.name}: ${why}`);
  };
  noted("dns", "the resolver is left as it is; set it in PostUp, for example by resolvectl");
  noted("fwmark", "packets get no mark: it is for routes in other tables");
  noted("saveconfig", "this file is never written");
  return notes;
}

/** The commands of wg-quick, each as an argument of bash. */
function hooksOf(own: Section, name: string): Hooks | undefined {
  const of = (key: string): readonly Argv[] | undefined => {
    const lines = own.all(key).map(({ value }) => ["bash", "-c", value.replaceAll("%i", name)]);
    return lines.length === 0 ? undefined : lines;
  };
  const hooks = {
    preUp: of("preup"),
    postUp: of("postup"),
    preDown: of("predown"),
    postDown: of("postdown"),
  };
  return Object.values(hooks).every((one) => one === undefined) ? undefined : hooks;
}

function checkEntries({ kind, entries }: ConfSection): void {
  const seen = new Set<string>();
  for (const { key, name, line } of entries) {
    const times = KNOWN[kind].get(key);
    const title = kind === "interface" ? "[Interface]" : "[Peer]";
    if (times === undefined) throw wrongLine(line, `${name} is not known in ${title}`);
    if (times === "once" && seen.has(key)) throw wrongLine(line, `${name} is there twice in this ${title}`);
    seen.add(key);
  }
}

/** The entries of one section, by key. */
class Section {
  readonly #section: ConfSection;

  constructor(section: ConfSection) {
    this.#section = section;
  }

  all(key: string): ConfEntry[] {
    return this.#section.entries.filter((entry) => entry.key === key);
  }

  one<T>(key: string, read: (entry: ConfEntry) => T): T | undefined {
    const [entry] = this.all(key);
    return entry === undefined ? undefined : read(entry);
  }

  need<T>(key: "privatekey" | "publickey", read: (entry: ConfEntry) => T): T {
    const [entry] = this.all(key);
    if (entry !== undefined) return read(entry);
    const name = key === "privatekey" ? "PrivateKey" : "PublicKey";
    throw wrongLine(this.#section.line, `${name} is missing in this section`);
  }

  /** The values of all lines with a key. Commas separate the values of a line. */
  list(key: string): { readonly value: string; readonly part: string; readonly line: number }[] {
    return this.all(key).flatMap((entry) =>
      entry.value
        .split(",")
        .map((value) => value.trim())
        .filter((value) => value !== "")
        .map((value) => ({ value, part: partOf(entry), line: entry.line })),
    );
  }
}

function partOf({ line, name }: ConfEntry): string {
  return `line ${line}: ${name}`;
}

function wholeNumber(entry: ConfEntry, min: number, max: number): number {
  const number = Number(entry.value);
  if (/^\d{1,6}$/.test(entry.value) && number >= min && number <= max) return number;
  throw wrongLine(entry.line, `${entry.name}: a whole number from ${min} to ${max} is expected`);
}
