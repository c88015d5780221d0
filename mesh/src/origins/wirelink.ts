import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import * as z from "zod/mini";
import { isGlob } from "../candidates/glob.js";
import { check } from "../check.js";
import { findPlaces, type LookUpHost } from "../config/host-places.js";
import { allowedIpFrom, keyFrom, MAX_PEERS } from "../config/parts.js";
import type { Settings } from "../config/settings.js";
import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { isRouter, TRUST_LEVELS, type TrustLevel } from "../facts/trust.js";
import { parsePrefix } from "../ip/prefix.js";
import { unknownKeys } from "./unknown-keys.js";
import { unusedPlaces } from "./unused-places.js";

const line = z.string().check(z.maxLength(256));
const lines = z.array(line).check(z.maxLength(256));
const globs = z
  .array(line.check(z.refine(isGlob, { error: "a pattern is expected, as in docker* or eth[0-9]" })))
  .check(z.maxLength(256));
/** In the environment, a switch is a word. */
const flag = z.pipe(
  z.union([
    z.boolean(),
    z.enum(["true", "false", "1", "0", "t", "f", "T", "F", "TRUE", "FALSE", "True", "False"]),
  ]),
  z.transform((value): boolean => (typeof value === "boolean" ? value : /^[t1]/i.test(value))),
);
const router = z.union([
  flag,
  z.pipe(
    z.enum(["auto", ""]),
    z.transform((): "auto" => "auto"),
  ),
]);
const port = z.pipe(
  z.union([z.int(), z.string().check(z.regex(/^\d{1,5}$/, "a port is expected"))]),
  z.pipe(z.transform(Number), z.int().check(z.minimum(0), z.maximum(0xffff))),
);

const peerSchema = z.strictObject({
  publickey: line,
  name: z.optional(line),
  trust: z.optional(z.union([z.enum(TRUST_LEVELS), z.literal("")])),
  factexchanger: z.optional(flag),
  endpoints: z.optional(z.nullable(lines)),
  allowedips: z.optional(z.nullable(lines)),
  basic: z.optional(flag),
});

/** The keys are in lower case, because wirelink ignores the case. */
const schema = z.strictObject({
  iface: z.optional(line),
  port: z.optional(port),
  router: z.optional(router),
  chatty: z.optional(flag),
  debug: z.optional(flag),
  dump: z.optional(flag),
  help: z.optional(flag),
  version: z.optional(flag),
  "config-path": z.optional(line),
  reportifaces: z.optional(z.nullable(globs)),
  hideifaces: z.optional(z.nullable(globs)),
  peers: z.optional(z.nullable(z.array(peerSchema).check(z.maxLength(MAX_PEERS)))),
});

/** The keys that the environment may set, by variables with `WIRELINK_` and the key in upper case. */
const IN_ENVIRONMENT: readonly string[] = ["iface", "port", "router", "chatty", "debug"];

/** More variables of wirelink, which count elsewhere. */
const ELSEWHERE = ["WIRELINK_CONFIG_PATH", "WIRELINK_CONFIG-PATH"];

/** What wirelink does and then ends; here these are commands. */
const COMMANDS = { dump: "sidewire-mesh config show", help: "--help", version: "--version" } as const;

/** The maximum number of values that come from aliases in YAML. */
const MAX_ALIASES = 100;

/** The maximum depth of a file. A real file has fewer levels. */
const MAX_DEPTH = 8;

/** The language of a file. */
export type WirelinkLanguage = "json" | "yaml" | "toml";

/**
 * Reads a file of wirelink, such as `/etc/wireguard/wirelink.wg0.json`. The environment variables `WIRELINK_…` take
 * precedence over the file.
 * @param name - the name of the interface, from the name of the file
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`
 */
export async function parseWirelink(
  text: string,
  language: WirelinkLanguage,
  name: string | undefined,
  { env, lookUp }: { readonly env: NodeJS.ProcessEnv; readonly lookUp: LookUpHost },
): Promise<Settings> {
  const value = withSmallKeys(parsed(text, language), "", 0);
  const checked = check(schema, { ...(value as object), ...fromEnvironment(env) });
  if (checked.problem !== undefined) throw new MeshError("INVALID_OPTION", checked.problem);
  const data = checked.value;
  const peers = data.peers ?? [];
  const keys = peers.map(({ publickey }, i) => keyFrom(publickey, `peers.${i}.publickey`));
  const places = peers.flatMap(({ publickey, endpoints: texts }, i) =>
    (texts ?? []).map((one) => ({ publicKey: publickey, text: one, part: `peers.${i}.endpoints` })),
  );
  const { endpoints, written, notes } = await findPlaces(places, lookUp);
  return {
    // The environment or the file may name the interface.
    interface: data.iface ?? name,
    peers: peers.flatMap(({ publickey, allowedips, endpoints: texts }, i): NewPeer[] => {
      const endpoint = endpoints.get(publickey);
      const allowedIps = (allowedips ?? []).map((one) => allowedIpFrom(one, `peers.${i}.allowedips`));
      // A peer that has only a name or a trust level is not added to the interface.
      if (allowedIps.length === 0 && (texts ?? []).length === 0) return [];
      const place = endpoint === undefined ? {} : { endpoint };
      return [{ publicKey: keys[i] ?? new Uint8Array(), allowedIps, ...place }];
    }),
    router: data.router === true ? true : undefined,
    chatty: data.chatty === true ? true : undefined,
    reported: { only: data.reportifaces ?? undefined, hidden: data.hideifaces ?? undefined },
    trust: new Map(
      peers.flatMap(({ publickey, trust, factexchanger = false }): [string, TrustLevel][] => {
        // wirelink believes a fact exchanger about the endpoints of other peers.
        const level = trust === "" || trust === undefined ? (factexchanger ? "Endpoint" : undefined) : trust;
        return level === undefined ? [] : [[publickey, level]];
      }),
    ),
    hostPlaces: written,
    names: new Map(
      peers.flatMap(({ publickey, name: called }): [string, string][] =>
        called === undefined || called === "" ? [] : [[publickey, called]],
      ),
    ),
    notes: [...notesOn(data), ...notesOnEnvironment(env), ...unusedPlaces(places), ...notes],
  };
}

function parsed(text: string, language: WirelinkLanguage): unknown {
  try {
    if (language === "json") return JSON.parse(text);
    if (language === "toml") return parseToml(text);
    // The number of aliases is limited: a few bytes with aliases may stand for gigabytes. wirelink merges with << too.
    return parseYaml(text, {
      ...{ maxAliasCount: MAX_ALIASES, merge: true },
      ...{ logLevel: "error", prettyErrors: false },
    });
  } catch (error) {
    if (error instanceof ReferenceError)
      throw new MeshError(
        "INVALID_OPTION",
        `an alias (*name) needs its anchor (&name) above it, and at most ${MAX_ALIASES} values may come from aliases`,
      );
    throw new MeshError("INVALID_OPTION", `it is not ${language.toUpperCase()}`);
  }
}

/** Converts all keys to lower case. @throws {@link MeshError} `INVALID_OPTION` */
function withSmallKeys(value: unknown, place: string, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new MeshError("INVALID_OPTION", `${place}: it is too deep`);
  if (Array.isArray(value))
    return value.map((one: unknown, i) => withSmallKeys(one, `${place}${i}.`, depth + 1));
  if (depth === 0 && (value === null || value === undefined)) return {};
  if (typeof value !== "object" || value === null) {
    if (depth === 0) throw new MeshError("INVALID_OPTION", "names and values are expected");
    return value;
  }
  const small = new Map<string, unknown>();
  for (const [key, inner] of Object.entries(value)) {
    const name = key.toLowerCase();
    if (small.has(name)) throw new MeshError("INVALID_OPTION", `${place}${name} is there twice`);
    small.set(name, withSmallKeys(inner, `${place}${name}.`, depth + 1));
  }
  return Object.fromEntries(small);
}

function fromEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    IN_ENVIRONMENT.flatMap((key) => {
      const value = env[`WIRELINK_${key.toUpperCase()}`];
      return value === undefined || value === "" ? [] : [[key, value]];
    }),
  );
}

/** A sentence for each variable of wirelink that is not read. */
function notesOnEnvironment(env: NodeJS.ProcessEnv): string[] {
  const set = Object.keys(env).filter((name) => /^WIRELINK_/.test(name) && env[name] !== "");
  const known = [...ELSEWHERE, ...IN_ENVIRONMENT.map((key) => `WIRELINK_${key.toUpperCase()}`)];
  return unknownKeys([{ value: Object.fromEntries(set.map((name) => [name, ""])), known, place: "" }]);
}

function notesOn(data: z.infer<typeof schema>): string[] {
  const { port: facts, router: own, peers } = data;
  // With a router among the peers, wirelink takes this host for none, either.
  const hasRouter = (peers ?? []).some(({ allowedips }) =>
    isRouter((allowedips ?? []).flatMap((one) => parsePrefix(one) ?? [])),
  );
  const notes: string[] = [];
  if (facts !== undefined && facts !== 0)
    notes.push("port has no use: peers tell each other at UDP port 21842 in the tunnel, everywhere");
  if (own === "auto" || (own === undefined && !hasRouter))
    notes.push(
      `router: ${own === "auto" ? "auto has no use" : "without it, this host is no router"}: set it to true on the ` +
        "host that carries packets between its peers, and to false elsewhere",
    );
  if (data.debug === true) notes.push("debug has no use: --json tells the most");
  for (const [key, command] of Object.entries(COMMANDS))
    if (data[key as keyof typeof COMMANDS] === true)
      notes.push(`${key} has no effect in a file: see ${command}`);
  if ((peers ?? []).some(({ basic }) => basic === true))
    notes.push("basic has no use: a peer without this program is one that does not answer probes");
  return notes;
}
