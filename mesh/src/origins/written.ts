import type { Settings } from "../config/settings.js";
import type { NewPeer } from "../device/create.js";
import { shownAddress } from "../dstack/web-address.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { formatPrefix } from "../ip/prefix.js";
import { isName, MAX_NAME_LENGTH, nameFrom } from "../roster/member-name.js";
import { formatKey } from "../wireguard-key.js";

/** A key for a file of its own. */
export interface SecretFile {
  readonly name: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** A configuration in the own format. */
export interface Written {
  /** The content of the JSON file. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The keys for files beside the JSON file. */
  readonly secrets: readonly SecretFile[];
}

/**
 * Converts settings to the own format, which `up --config` reads. Keys are put into files of their own. Passwords of
 * TURN servers and in URLs, and the pool of brokers are left out.
 */
export function writtenSettings(settings: Settings): Written {
  const { create, interface: name = "wg0", names, trust = new Map(), reported, hooks } = settings;
  const { hostPlaces = new Map<string, string>() } = settings;
  const labels = labelsOf(names, trust);
  const secrets: SecretFile[] = [];
  const secretFile = (file: string, key: Uint8Array): string => {
    secrets.push({ name: file, key });
    return file;
  };
  const listed = create?.peers ?? settings.peers ?? [];
  const peers = listed.map((peer, i) => ({
    ...peerFields(peer, labels, hostPlaces.get(formatKey(peer.publicKey))),
    ...(peer.presharedKey === undefined
      ? {}
      : { presharedKeyFile: secretFile(`${name}.peer${i + 1}.psk`, peer.presharedKey) }),
  }));
  const keys = new Set(listed.map(({ publicKey }) => formatKey(publicKey)));
  const others = [...new Set([...names.keys(), ...trust.keys()])].filter((key) => !keys.has(key));
  const json: Record<string, unknown> = {
    interface: name,
    ...(create === undefined
      ? { addPeers: listed.length > 0 ? true : undefined }
      : {
          create: true,
          privateKeyFile: secretFile(`${name}.key`, create.privateKey),
          listenPort: create.listenPort,
          mtu: create.mtu,
          addresses: create.addresses.map(({ address, prefix }) => `${address}/${prefix.bits}`),
        }),
    peers: [...peers, ...others.map((key) => ({ publicKey: key, ...labels(key) }))],
    stun: settings.stun,
    turn: settings.turn?.map(({ url, username }) => ({ url, username })),
    relay: settings.relay,
    lazy: settings.lazy,
    router: settings.router,
    chatty: settings.chatty,
    lanDiscovery: settings.lanDiscovery,
    portMapping: settings.portMapping,
    externalPort: settings.externalPort,
    reportInterfaces: reported?.only,
    hideInterfaces: reported?.hidden,
    metrics: settings.metrics && formatEndpoint(settings.metrics),
    hooks,
    peersUrl: settings.peersUrl instanceof URL ? shownAddress(settings.peersUrl) : settings.peersUrl,
    publish: settings.publish,
    indexOverlay: settings.indexOverlay && formatPrefix(settings.indexOverlay),
    hosts: settings.hosts,
    dns: settings.dns,
    stateFolder: settings.stateFolder,
  };
  return { json, secrets };
}

type Labels = (key: string) => Readonly<Record<string, unknown>>;

/** @param place - the place as the file writes it, if it is a name: its addresses may change */
function peerFields(
  { publicKey, endpoint, allowedIps }: NewPeer,
  labels: Labels,
  place: string | undefined,
): Record<string, unknown> {
  const key = formatKey(publicKey);
  return {
    publicKey: key,
    ...labels(key),
    endpoint: place ?? (endpoint && formatEndpoint(endpoint)),
    allowedIps: allowedIps.map(formatPrefix),
  };
}

/** What peers are called here, and what they are believed. No two peers get the same name. */
function labelsOf(names: Settings["names"], trust: NonNullable<Settings["trust"]>): Labels {
  const called = new Map<string, string>();
  // A name that may stay as it is goes before one that has to be changed to it.
  const sorted = [...names].toSorted(([, a], [, b]) => Number(isName(b)) - Number(isName(a)));
  const taken = new Set<string>();
  for (const [key, text] of sorted) {
    // `laptop.home` and `laptop.office` would both be `laptop`. A name that is left alone may be there twice.
    const nearest = isName(text) ? text : freeName(text, taken);
    if (nearest === undefined) continue;
    taken.add(nearest);
    called.set(key, nearest);
  }
  return (key) => ({ name: called.get(key), trust: trust.get(key) });
}

/** The nearest valid name that no other peer has: the first label, else all of it, else with a number. */
function freeName(text: string, taken: ReadonlySet<string>): string | undefined {
  const short = nameFrom(text);
  const whole = nameFrom(text.replaceAll(".", "-"));
  const free = [short, whole].find((one) => one !== undefined && !taken.has(one));
  const base = short ?? whole;
  if (free !== undefined || base === undefined) return free;
  for (let number = 2; ; number++) {
    const end = `-${number}`;
    const name = `${base.slice(0, MAX_NAME_LENGTH - end.length)}${end}`;
    if (!taken.has(name)) return name;
  }
}
