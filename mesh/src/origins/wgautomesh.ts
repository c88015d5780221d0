import { parse as parseToml, TomlError } from "smol-toml";
import * as z from "zod/mini";
import { check } from "../check.js";
import { findPlaces, type LookUpHost } from "../config/host-places.js";
import { keyFrom, MAX_PEERS } from "../config/parts.js";
import type { Settings } from "../config/settings.js";
import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { unknownKeys } from "./unknown-keys.js";
import { unusedPlaces } from "./unused-places.js";

const line = z.string().check(z.maxLength(4096));
const port = z.int().check(z.minimum(1), z.maximum(0xffff));

const peerSchema = z.looseObject({ pubkey: line, address: line, endpoint: z.optional(line) });

/** Unknown keys cause a note but no error, because wgautomesh itself ignores them. */
const schema = z.looseObject({
  interface: line,
  gossip_port: port,
  gossip_secret: z.optional(line),
  gossip_secret_file: z.optional(line),
  persist_file: z.optional(line),
  ipv6: z.optional(z.boolean()),
  lan_discovery: z.optional(z.boolean()),
  upnp_forward_external_port: z.optional(port),
  peers: z.optional(z.array(peerSchema).check(z.maxLength(MAX_PEERS))),
});

const KNOWN = { top: Object.keys(schema.shape), peers: Object.keys(peerSchema.shape) };

/**
 * Reads a file of wgautomesh, such as `/etc/wgautomesh.toml`.
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`
 */
export async function parseWgautomesh(text: string, lookUp: LookUpHost): Promise<Settings> {
  const data = read(text);
  const { peers = [] } = data;
  const keys = peers.map(({ pubkey }, i) => keyFrom(pubkey, `peers.${i}.pubkey`));
  const places = peers.flatMap(({ pubkey, endpoint }, i) =>
    endpoint === undefined ? [] : [{ publicKey: pubkey, text: endpoint, part: `peers.${i}.endpoint` }],
  );
  const { endpoints, written, notes } = await findPlaces(places, lookUp);
  return {
    interface: data.interface,
    peers: peers.map(({ pubkey, address }, i): NewPeer => {
      const endpoint = endpoints.get(pubkey);
      return {
        publicKey: keys[i] ?? new Uint8Array(),
        allowedIps: [hostOf(address, `peers.${i}.address`)],
        ...(endpoint === undefined ? {} : { endpoint }),
      };
    }),
    lanDiscovery: data.lan_discovery ?? false,
    portMapping: data.upnp_forward_external_port !== undefined,
    externalPort: data.upnp_forward_external_port,
    names: new Map(),
    hostPlaces: written,
    notes: [...notesOn(data), ...unusedPlaces(places), ...notes],
  };
}

function read(text: string): z.infer<typeof schema> {
  let value: unknown;
  try {
    value = parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the message quotes the text around the error, which may contain a secret.
    const [why = ""] = error.message.split("\n");
    throw new MeshError("INVALID_OPTION", `line ${error.line}, column ${error.column}: ${why}`);
  }
  const checked = check(schema, value);
  if (checked.problem !== undefined) throw new MeshError("INVALID_OPTION", checked.problem);
  const { gossip_secret, gossip_secret_file } = checked.value;
  if (gossip_secret !== undefined && gossip_secret_file !== undefined)
    throw new MeshError("INVALID_OPTION", "gossip_secret and gossip_secret_file are both there");
  return checked.value;
}

function notesOn(data: z.infer<typeof schema>): string[] {
  const parts = (data.peers ?? []).map((value, i) => ({ value, known: KNOWN.peers, place: `peers.${i}.` }));
  const notes = unknownKeys([{ value: data, known: KNOWN.top, place: "" }, ...parts]);
  notes.push("gossip_port has no use any more: peers tell each other at UDP port 21842 in the tunnel");
  if (data.ipv6 === false)
    notes.push("ipv6 = false has no effect: IPv6 is used wherever this host and the peer have it");
  if (data.gossip_secret !== undefined || data.gossip_secret_file !== undefined)
    notes.push("gossip_secret has no use any more: what two hosts tell each other is sealed by their keys");
  if (data.persist_file !== undefined)
    notes.push("persist_file is not read or written: what is remembered is in the state folder");
  return notes;
}

function hostOf(text: string, part: string): NewPeer["allowedIps"][number] {
  const address = parseAddress(text);
  if (address !== undefined) return { address, bits: address.length * 8 };
  throw new MeshError("INVALID_OPTION", `${part} "${text}": an address is expected, as in 10.14.1.2`);
}
