import { resolve } from "node:path";
import { parseBrokerPool } from "sidewire";
import * as z from "zod/mini";
import { isGlob } from "../candidates/glob.js";
import { check } from "../check.js";
import type { NewPeer } from "../device/create.js";
import { MTU } from "../device/plan.js";
import { indexOverlayFrom } from "../dstack/numbering.js";
import { peersUrlFrom } from "../dstack/web-address.js";
import { MeshError } from "../errors.js";
import { TRUST_LEVELS } from "../facts/trust.js";
import { parseTurnServers } from "../turn/turn-server.js";
import { findPlaces, type LookUpHost } from "./host-places.js";
import { addressFrom, allowedIpFrom, checkHostPort, endpointFrom, keyFrom, MAX_PEERS } from "./parts.js";
import type { Settings } from "./settings.js";

const line = z.string().check(z.maxLength(256));
/** The minimum for IPv6 (RFC 8200). */
const MIN_MTU = 1280;

const path = z.string().check(z.minLength(1), z.maxLength(4096));
const lines = z.array(line).check(z.maxLength(256));
const port = z.int().check(z.minimum(1), z.maximum(0xffff));

/**
 * Says what a field means, and what counts without it. docs/reference.md is made from these texts: `npm run reference`.
 * @param without - default: nothing
 */
function says<T>(meaning: string, without = "none"): z.core.$ZodCheck<T> {
  return z.meta({ description: meaning, without });
}

const peerSchema = z.strictObject({
  publicKey: line.check(says("the public key, in base64", "required")),
  name: z.optional(
    z.string().check(
      // The name is shown in terminals, and becomes a part of a host name (RFC 1123).
      z.regex(/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/, "1 to 63 of a-z, 0-9 and - are expected"),
      says("what status and ping call the peer: 1 to 63 of a-z, 0-9 and -", "its key"),
    ),
  ),
  endpoint: z.optional(
    line.check(says("HOST:PORT, the first place to try; a name is looked up at the start and at a reload")),
  ),
  allowedIps: z.optional(lines.check(says("addresses and ranges, as `wg` has them", "none"))),
  presharedKeyFile: z.optional(path.check(says("the file with the preshared key"))),
  trust: z.optional(
    z
      .enum(TRUST_LEVELS)
      .check(
        says(
          "what the peer is told about other peers, and what is believed of it",
          "`Membership` for a router, `Endpoint` for another peer",
        ),
      ),
  ),
});

const turnSchema = z.strictObject({
  url: line.check(says("turn:HOST:PORT, over UDP", "required")),
  username: z.optional(z.string().check(says("the username"))),
  password: z.optional(
    z.string().check(says("the password; with it, only the owner may be able to read the file")),
  ),
});

/** The maximum length is that of one argument of a program in Linux. */
const argument = z.string().check(z.maxLength(131_071), z.regex(/^[^\0]*$/, "it has a zero byte in it"));
const programs = z.array(z.array(argument).check(z.minLength(1), z.maxLength(256))).check(z.maxLength(64));
const hooksSchema = z.strictObject({
  preUp: z.optional(
    programs.check(
      says("programs with their arguments, run before the start; if one fails, the start fails"),
    ),
  ),
  postUp: z.optional(programs.check(says("run after the start; if one fails, the start fails"))),
  preDown: z.optional(programs.check(says("run before the end"))),
  postDown: z.optional(programs.check(says("run after the end"))),
  exec: z.optional(programs.check(says("run when a peer gets another state or another path"))),
});

const globs = z
  .array(line.check(z.refine(isGlob, { error: "a pattern is expected, as in docker* or eth[0-9]" })))
  .check(z.maxLength(256));

const schema = z.strictObject({
  interface: z.optional(line.check(says("the interface", "the one of the command line"))),
  create: z.optional(z.boolean().check(says("make the interface, and remove it at the end", "false"))),
  addPeers: z.optional(
    z
      .boolean()
      .check(
        says(
          "add the peers that an existing interface lacks and that have allowedIps or an endpoint; the end removes them",
          "false",
        ),
      ),
  ),
  privateKeyFile: z.optional(
    path.check(says("the file with the private key, as `wg genkey` writes it; create needs it")),
  ),
  listenPort: z.optional(port.check(says("only with create: the port of WireGuard", "a free one"))),
  mtu: z.optional(
    z
      .int()
      .check(
        z.minimum(MIN_MTU),
        z.maximum(0xffff),
        says("only with create: the MTU of the interface, in bytes", String(MTU)),
      ),
  ),
  addresses: z.optional(lines.check(says("only with create: addresses of this host, as in 10.9.0.1/24"))),
  peers: z.optional(
    z
      .array(peerSchema)
      .check(z.maxLength(MAX_PEERS), says("the peers of the interface, or what is to be known of them")),
  ),
  brokers: z.optional(
    z
      .union([path, z.record(z.string(), z.unknown())])
      .check(says("the signaling brokers: a file, or a pool as in such a file", "sidewire's public ones")),
  ),
  stun: z.optional(lines.check(says("STUN servers, each HOST:PORT", "a bundled list of public ones"))),
  turn: z.optional(z.array(turnSchema).check(z.maxLength(256), says("TURN servers, tried in this order"))),
  relay: z.optional(
    z.boolean().check(says("pass packets on between peers that find no direct path", "false")),
  ),
  lazy: z.optional(
    z
      .boolean()
      .check(says("make a tunnel when a packet needs it, and end it after 15 minutes without data", "false")),
  ),
  router: z.optional(
    z
      .boolean()
      .check(
        says("this host carries packets between its peers: be chatty, and use no other router", "false"),
      ),
  ),
  chatty: z.optional(z.boolean().check(says("tell all peers where the other peers are", "false"))),
  lanDiscovery: z.optional(z.boolean().check(says("look for peers on the own LANs", "true"))),
  portMapping: z.optional(z.boolean().check(says("ask routers for a port, by PCP, NAT-PMP or UPnP", "true"))),
  externalPort: z.optional(
    port.check(says("the outside port in IPv4 that routers are asked for first", "any")),
  ),
  reportInterfaces: z.optional(
    globs.check(
      says("network cards whose addresses peers are told; *, ? and [a-z] count", "all but the tunnel"),
    ),
  ),
  hideInterfaces: z.optional(globs.check(says("network cards whose addresses peers are not told"))),
  metrics: z.optional(line.check(says("ADDRESS:PORT, where Prometheus finds /metrics", "nothing listens"))),
  hooks: z.optional(hooksSchema.check(says("programs of yours; no shell runs in between"))),
  hosts: z.optional(z.boolean().check(says("give members of the network names in /etc/hosts", "true"))),
  dns: z.optional(
    z.boolean().check(says("answer DNS for the names of members, at the own address in the tunnel", "false")),
  ),
  peersUrl: z.optional(
    path.check(says("a JSON array of URLs that tell each peer's key: its URL, or a file with it")),
  ),
  publish: z.optional(
    port.check(says("the port where this host serves /node.json over HTTP: its key and its place")),
  ),
  indexOverlay: z.optional(
    line.check(says("with peersUrl: the range of addresses by the place in the list, as in 10.88.0.0/24")),
  ),
  stateFolder: z.optional(path.check(says("the folder for what is remembered", "/var/lib/sidewire-mesh"))),
});

/** The fields of the format, with their meanings, for the reference. */
export const ownFormat: z.ZodMiniType = schema;

/** Reads the other files of a configuration, whose paths are absolute, and looks up names. */
export interface OwnFormatMeans {
  readonly lookUp: LookUpHost;
  readKey(path: string): Promise<Uint8Array>;
  readText(path: string): Promise<string>;
}

/**
 * Reads this package's own format: JSON with the options of `up` as its fields. Paths are relative to the file's
 * folder.
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`; the errors of the file reader, and sidewire's errors for a
 * pool
 */
export async function parseOwnFormat(text: string, folder: string, files: OwnFormatMeans): Promise<Settings> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // The parser's whole message is not shown: it quotes the text, which may be a private key in the wrong file.
    const [place] = /position \d+/.exec(String(error)) ?? [];
    throw new MeshError("INVALID_OPTION", `it is not JSON${place === undefined ? "" : ` (${place})`}`);
  }
  const checked = check(schema, json);
  if (checked.problem !== undefined) throw new MeshError("INVALID_OPTION", checked.problem);
  const data = checked.value;
  const { brokers, stun, turn, peers = [], stateFolder, privateKeyFile, create = false } = data;
  const at = (file: string): string => resolve(folder, file);
  if (!create) {
    for (const field of ["privateKeyFile", "listenPort", "mtu", "addresses"] as const)
      if (data[field] !== undefined)
        throw new MeshError(
          "INVALID_OPTION",
          `${field}: it needs "create": true, as an interface that is there is used as it is configured`,
        );
  } else if (privateKeyFile === undefined)
    throw new MeshError("INVALID_OPTION", 'privateKeyFile: "create": true needs it');
  else if (data.addPeers === true)
    throw new MeshError("INVALID_OPTION", 'addPeers: an interface that is made has all "peers" already');
  parseTurnServers(turn ?? []);
  const places = await findPlaces(
    peers.flatMap(({ publicKey, endpoint }, i) =>
      endpoint === undefined ? [] : [{ publicKey, text: endpoint, part: `peers.${i}.endpoint` }],
    ),
    files.lookUp,
  );
  const parsed = await Promise.all(
    peers.map(async ({ publicKey, allowedIps = [], presharedKeyFile }, i): Promise<NewPeer> => {
      const part = `peers.${i}`;
      const endpoint = places.endpoints.get(publicKey);
      return {
        publicKey: keyFrom(publicKey, `${part}.publicKey`),
        allowedIps: allowedIps.map((one) => allowedIpFrom(one, `${part}.allowedIps`)),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(presharedKeyFile === undefined
          ? {}
          : { presharedKey: await files.readKey(at(presharedKeyFile)) }),
      };
    }),
  );
  const { reportInterfaces: only, hideInterfaces: hidden } = data;
  return {
    ...(data.interface === undefined ? {} : { interface: data.interface }),
    ...(!create || privateKeyFile === undefined
      ? {}
      : {
          create: {
            privateKey: await files.readKey(at(privateKeyFile)),
            listenPort: data.listenPort,
            mtu: data.mtu,
            addresses: (data.addresses ?? []).map((one) => addressFrom(one, "addresses")),
            peers: parsed,
          },
        }),
    // A peer that has only a name or a trust level is not added to the interface.
    ...(data.addPeers === true
      ? {
          peers: parsed.filter(
            (_, i) => (peers[i]?.allowedIps ?? []).length > 0 || peers[i]?.endpoint !== undefined,
          ),
        }
      : {}),
    ...(brokers === undefined
      ? {}
      : {
          brokers: parseBrokerPool(
            typeof brokers === "string" ? await files.readText(at(brokers)) : JSON.stringify(brokers),
          ),
        }),
    ...(stun === undefined ? {} : { stun: stun.map((one) => checkHostPort(one, "stun")) }),
    ...(turn === undefined ? {} : { turn }),
    ...(data.relay === undefined ? {} : { relay: data.relay }),
    ...(data.lazy === undefined ? {} : { lazy: data.lazy }),
    ...(data.router === undefined ? {} : { router: data.router }),
    ...(data.chatty === undefined ? {} : { chatty: data.chatty }),
    ...(data.lanDiscovery === undefined ? {} : { lanDiscovery: data.lanDiscovery }),
    ...(data.portMapping === undefined ? {} : { portMapping: data.portMapping }),
    ...(data.externalPort === undefined ? {} : { externalPort: data.externalPort }),
    ...(only === undefined && hidden === undefined ? {} : { reported: { only, hidden } }),
    ...(data.metrics === undefined ? {} : { metrics: endpointFrom(data.metrics, "metrics") }),
    ...(data.hooks === undefined ? {} : { hooks: data.hooks }),
    ...(data.hosts === undefined ? {} : { hosts: data.hosts }),
    ...(data.dns === undefined ? {} : { dns: data.dns }),
    ...(data.peersUrl === undefined ? {} : { peersUrl: peersUrlFrom(data.peersUrl, "peersUrl", folder) }),
    ...(data.publish === undefined ? {} : { publish: data.publish }),
    ...(data.indexOverlay === undefined
      ? {}
      : { indexOverlay: indexOverlayFrom(data.indexOverlay, "indexOverlay") }),
    ...(stateFolder === undefined ? {} : { stateFolder: at(stateFolder) }),
    hostPlaces: places.written,
    ...(places.notes.length === 0 ? {} : { notes: places.notes }),
    trust: new Map(
      peers.flatMap(({ publicKey, trust }) => (trust === undefined ? [] : [[publicKey, trust]])),
    ),
    names: new Map(peers.flatMap(({ publicKey, name }) => (name === undefined ? [] : [[publicKey, name]]))),
  };
}
