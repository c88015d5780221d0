import { resolve } from "node:path";
import { parseBrokerPool } from "sidewire";
import * as z from "zod/mini";
import { isGlob } from "../candidates/glob.js";
import { check } from "../check.js";
import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { TRUST_LEVELS } from "../facts/trust.js";
import { parseTurnServers } from "../turn/turn-server.js";
import { addressFrom, allowedIpFrom, checkHostPort, endpointFrom, keyFrom, MAX_PEERS } from "./parts.js";
import type { Settings } from "./settings.js";

const line = z.string().check(z.maxLength(256));
/** The minimum for IPv6 (RFC 8200). */
const MIN_MTU = 1280;

const path = z.string().check(z.minLength(1), z.maxLength(4096));
const lines = z.array(line).check(z.maxLength(256));

const peerSchema = z.strictObject({
  publicKey: line,
  name: z.optional(
    // The name is shown in terminals, and becomes a part of a host name (RFC 1123).
    z.string().check(z.regex(/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/, "1 to 63 of a-z, 0-9 and - are expected")),
  ),
  endpoint: z.optional(line),
  allowedIps: z.optional(lines),
  presharedKeyFile: z.optional(path),
  trust: z.optional(z.enum(TRUST_LEVELS)),
});

const turnSchema = z.strictObject({
  url: line,
  username: z.optional(z.string()),
  password: z.optional(z.string()),
});

/** The maximum length is that of one argument of a program in Linux. */
const argument = z.string().check(z.maxLength(131_071), z.regex(/^[^\0]*$/, "it has a zero byte in it"));
const programs = z.array(z.array(argument).check(z.minLength(1), z.maxLength(256))).check(z.maxLength(64));
const hooksSchema = z.strictObject({
  preUp: z.optional(programs),
  postUp: z.optional(programs),
  preDown: z.optional(programs),
  postDown: z.optional(programs),
  exec: z.optional(programs),
});

const globs = z
  .array(line.check(z.refine(isGlob, { error: "a pattern is expected, as in docker* or eth[0-9]" })))
  .check(z.maxLength(256));

const schema = z.strictObject({
  interface: z.optional(line),
  create: z.optional(z.boolean()),
  addPeers: z.optional(z.boolean()),
  privateKeyFile: z.optional(path),
  listenPort: z.optional(z.int().check(z.minimum(1), z.maximum(0xffff))),
  mtu: z.optional(z.int().check(z.minimum(MIN_MTU), z.maximum(0xffff))),
  addresses: z.optional(lines),
  peers: z.optional(z.array(peerSchema).check(z.maxLength(MAX_PEERS))),
  brokers: z.optional(z.union([path, z.record(z.string(), z.unknown())])),
  stun: z.optional(lines),
  turn: z.optional(z.array(turnSchema).check(z.maxLength(256))),
  relay: z.optional(z.boolean()),
  lazy: z.optional(z.boolean()),
  lanDiscovery: z.optional(z.boolean()),
  portMapping: z.optional(z.boolean()),
  externalPort: z.optional(z.int().check(z.minimum(1), z.maximum(0xffff))),
  reportInterfaces: z.optional(globs),
  hideInterfaces: z.optional(globs),
  metrics: z.optional(line),
  hooks: z.optional(hooksSchema),
  hosts: z.optional(z.boolean()),
  dns: z.optional(z.boolean()),
  stateFolder: z.optional(path),
});

/** Reads the other files of a configuration. Paths are absolute. */
export interface FileReader {
  readKey(path: string): Promise<Uint8Array>;
  readText(path: string): Promise<string>;
}

/**
 * Reads this package's own format: JSON with the options of `up` as its fields. Paths are relative to the file's
 * folder.
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`; the errors of the file reader, and sidewire's errors for a
 * pool
 */
export async function parseOwnFormat(text: string, folder: string, files: FileReader): Promise<Settings> {
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
  const parsed = await Promise.all(
    peers.map(async ({ publicKey, endpoint, allowedIps = [], presharedKeyFile }, i): Promise<NewPeer> => {
      const part = `peers.${i}`;
      return {
        publicKey: keyFrom(publicKey, `${part}.publicKey`),
        allowedIps: allowedIps.map((one) => allowedIpFrom(one, `${part}.allowedIps`)),
        ...(endpoint === undefined ? {} : { endpoint: endpointFrom(endpoint, `${part}.endpoint`) }),
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
          peers: parsed.filter(({ allowedIps, endpoint }) => allowedIps.length > 0 || endpoint !== undefined),
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
    ...(data.lanDiscovery === undefined ? {} : { lanDiscovery: data.lanDiscovery }),
    ...(data.portMapping === undefined ? {} : { portMapping: data.portMapping }),
    ...(data.externalPort === undefined ? {} : { externalPort: data.externalPort }),
    ...(only === undefined && hidden === undefined ? {} : { reported: { only, hidden } }),
    ...(data.metrics === undefined ? {} : { metrics: endpointFrom(data.metrics, "metrics") }),
    ...(data.hooks === undefined ? {} : { hooks: data.hooks }),
    ...(data.hosts === undefined ? {} : { hosts: data.hosts }),
    ...(data.dns === undefined ? {} : { dns: data.dns }),
    ...(stateFolder === undefined ? {} : { stateFolder: at(stateFolder) }),
    trust: new Map(
      peers.flatMap(({ publicKey, trust }) => (trust === undefined ? [] : [[publicKey, trust]])),
    ),
    names: new Map(peers.flatMap(({ publicKey, name }) => (name === undefined ? [] : [[publicKey, name]]))),
  };
}
