import type { BrokerPool } from "sidewire";
import { checkSettings } from "../config/checked-settings.js";
import { addressFrom, checkHostPort, endpointFrom, withLinkLocal } from "../config/parts.js";
import { parsePeerOptions } from "../config/peer-option.js";
import type { Settings } from "../config/settings.js";
import { checkInterfaceName } from "../device/checks.js";
import type { NewInterface } from "../device/create.js";
import { mergedPeers } from "../device/merged-peers.js";
import { indexOverlayFrom } from "../dstack/numbering.js";
import { peersUrlFrom } from "../dstack/web-address.js";
import { KeyFile } from "../membership/key-file.js";
import { DEFAULT_STATE_FOLDER } from "../mesh-options.js";
import type { TurnOptions } from "../turn/turn-server.js";
import { lookUpHost, readConfig, readWirelink } from "./config-files.js";
import type { DaemonOptions } from "./daemon-options.js";
import { UsageError } from "./failure.js";
import { readKey, readPool, readTurn } from "./input-files.js";

/** The options of `up`. */
export interface UpOptions extends DaemonOptions {
  readonly create?: true;
  readonly privateKey?: string;
  readonly listenPort?: number;
  readonly address?: readonly string[];
  readonly peer?: readonly string[];
  readonly router?: boolean;
  readonly chatty?: boolean;
  readonly config?: string;
  readonly wirelink?: true;
  readonly peersUrl?: string;
  readonly publish?: number;
  readonly indexOverlay?: string;
  readonly dryRun?: true;
  /** Set by `join`: the roster is new, and these are the brokers of the token. */
  readonly joined?: { readonly brokers: BrokerPool | undefined };
}

/** The settings of the options and the file together. */
export type UpSettings = Settings & { readonly interface: string; readonly isRosterFresh: boolean };

/** The settings of `up`. Options take precedence over the file. */
export async function settingsOf(
  name: string | undefined,
  options: UpOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<UpSettings> {
  const file = await settingsOfFile(options, name, env);
  const interfaceName = name ?? file.interface;
  if (interfaceName === undefined)
    throw new UsageError("the interface is missing: name it, as in sidewire-mesh up wg0");
  if (options.create && file.create !== undefined)
    throw new UsageError(`--create: ${options.config} says already what is to be made`);
  const stateFolder = options.state ?? file.stateFolder;
  const { create: given = file.create, notes = [] } = await createFrom(options);
  const create = given ?? (await createJoined(stateFolder, interfaceName, options.listenPort));
  const brokers = options.joined?.brokers ?? file.brokers;
  const settings = {
    interface: interfaceName,
    create: create && withLinkLocal(create),
    isRosterFresh: options.joined !== undefined,
    brokers: options.brokers === undefined ? brokers : await readPool(options.brokers),
    stun: options.stun?.split(",").map((one) => checkHostPort(one, "--stun")) ?? file.stun,
    turn: (await turnFrom(options)) ?? file.turn,
    relay: options.relay ?? file.relay,
    lazy: options.lazy ?? file.lazy,
    router: options.router ?? file.router,
    chatty: options.chatty ?? file.chatty,
    stateFolder,
    // The command line can only switch these off. They are on unless the file says otherwise.
    lanDiscovery: options.lanDiscovery === false ? false : file.lanDiscovery,
    portMapping: options.portMapping === false ? false : file.portMapping,
    hosts: options.hosts === false ? false : file.hosts,
    dns: options.dns ?? file.dns,
    metrics: options.metrics === undefined ? file.metrics : endpointFrom(options.metrics, "--metrics"),
    externalPort: file.externalPort,
    reported: file.reported,
    hooks: file.hooks,
    // A new interface has its peers in `create`.
    peers: create === undefined ? file.peers : undefined,
    ...listedFrom(options, file),
    names: file.names,
    trust: file.trust,
    notes: [...(file.notes ?? []), ...notes],
  };
  checkSettings(settings);
  return settings;
}

/**
 * The interface of a network that this host has joined. Its key is in the state folder; its addresses and peers follow
 * from the roster. An interface that somebody else has made is used as it is.
 */
async function createJoined(
  folder: string = DEFAULT_STATE_FOLDER,
  name: string,
  listenPort: number | undefined,
): Promise<NewInterface | undefined> {
  checkInterfaceName(name);
  const privateKey = await new KeyFile(folder, name).read();
  return privateKey && { privateKey, listenPort, addresses: [], peers: [] };
}

/** Where other nodes are listed, and how they are numbered. */
function listedFrom(
  options: Pick<UpOptions, "peersUrl" | "publish" | "indexOverlay">,
  file: Settings,
): Pick<Settings, "peersUrl" | "publish" | "indexOverlay"> {
  const { peersUrl: url, indexOverlay: range, publish = file.publish } = options;
  const peersUrl = url === undefined ? file.peersUrl : peersUrlFrom(url, "--peers-url", process.cwd());
  const indexOverlay = range === undefined ? file.indexOverlay : indexOverlayFrom(range, "--index-overlay");
  if (range !== undefined && peersUrl === undefined)
    throw new UsageError("--index-overlay needs --peers-url: the numbers are those of the list");
  return { peersUrl, publish, indexOverlay };
}

async function createFrom(options: UpOptions): Promise<Pick<Settings, "create" | "notes">> {
  const { create, privateKey, listenPort, address = [], peer = [] } = options;
  if (!create && options.joined !== undefined) return {};
  if (!create) {
    const given = Object.entries({ "--private-key": privateKey, "--listen-port": listenPort });
    const [wrong] = [
      ...given.flatMap(([option, value]) => (value === undefined ? [] : [option])),
      ...(address.length > 0 ? ["--address"] : []),
      ...(peer.length > 0 ? ["--peer"] : []),
    ];
    if (wrong === undefined) return {};
    throw new UsageError(
      `${wrong} needs --create: an interface that is there is used as it is configured (change it with wg set)`,
    );
  }
  if (privateKey === undefined)
    throw new UsageError("--create needs --private-key FILE: make one with sidewire-mesh keygen");
  const addresses = address.map((one) => addressFrom(one, "--address"));
  const found = await parsePeerOptions(peer, lookUpHost);
  const { peers, notes } = mergedPeers(found.peers);
  return {
    create: { privateKey: await readKey(privateKey), listenPort, addresses, peers },
    notes: [...found.notes, ...notes],
  };
}

async function turnFrom({
  turn,
  turnCredentials,
}: Pick<UpOptions, "turn" | "turnCredentials">): Promise<readonly TurnOptions[] | undefined> {
  if (turn !== undefined) return await readTurn(turn, turnCredentials);
  if (turnCredentials !== undefined)
    throw new UsageError("--turn-credentials needs --turn: name the servers that it is for");
  return undefined;
}

async function settingsOfFile(
  { config, wirelink }: Pick<UpOptions, "config" | "wirelink">,
  name: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<Settings> {
  if (config !== undefined && wirelink === true)
    throw new UsageError("--wirelink looks for its file by itself: leave --config out, or --wirelink");
  if (wirelink === true) return await readWirelink(name, env);
  return config === undefined ? { names: new Map() } : await readConfig(config, env);
}
