import type { Settings } from "../config/settings.js";
import type { NewPeer } from "../device/create.js";
import { shownAddress } from "../dstack/web-address.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { formatPrefix } from "../ip/prefix.js";
import { isName, nameFrom } from "../roster/member-name.js";
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
  const secrets: SecretFile[] = [];
  const secretFile = (file: string, key: Uint8Array): string => {
    secrets.push({ name: file, key });
    return file;
  };
  const listed = create?.peers ?? settings.peers ?? [];
  const peers = listed.map((peer, i) => ({
    ...peerFields(peer, names, trust),
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
    peers: [...peers, ...others.map((key) => ({ publicKey: key, ...labels(key, names, trust) }))],
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

function peerFields(
  { publicKey, endpoint, allowedIps }: NewPeer,
  names: Settings["names"],
  trust: NonNullable<Settings["trust"]>,
): Record<string, unknown> {
  const key = formatKey(publicKey);
  return {
    publicKey: key,
    ...labels(key, names, trust),
    endpoint: endpoint && formatEndpoint(endpoint),
    allowedIps: allowedIps.map(formatPrefix),
  };
}

function labels(
  key: string,
  names: Settings["names"],
  trust: NonNullable<Settings["trust"]>,
): Record<string, unknown> {
  const name = names.get(key);
  return { name: name && (isName(name) ? name : nameFrom(name)), trust: trust.get(key) };
}
