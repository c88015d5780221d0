import { dirname, resolve } from "node:path";
import { parseOwnFormat } from "../config/own-format.js";
import { addressFrom, checkHostPort, withLinkLocal } from "../config/parts.js";
import { parsePeerOption } from "../config/peer-option.js";
import type { Settings } from "../config/settings.js";
import type { NewInterface } from "../device/create.js";
import { UsageError } from "./failure.js";
import { naming, readKey, readPool, readText } from "./input-files.js";

/** What `up` is asked for. */
export interface UpOptions {
  readonly create?: true;
  readonly privateKey?: string;
  readonly listenPort?: number;
  readonly address?: readonly string[];
  readonly peer?: readonly string[];
  readonly brokers?: string;
  readonly stun?: string;
  readonly relay?: boolean;
  readonly state?: string;
  /** `--no-port-mapping` makes it false. */
  readonly portMapping?: boolean;
  readonly config?: string;
  readonly dryRun?: true;
}

/** What `up` is asked for: what the options say goes before what the file says. */
export async function settingsOf(
  name: string | undefined,
  options: UpOptions,
): Promise<Settings & { readonly interface: string }> {
  const file = await settingsOfFile(options.config);
  const interfaceName = name ?? file.interface;
  if (interfaceName === undefined)
    throw new UsageError("the interface is missing: name it, as in sidewire-mesh up wg0");
  if (options.create && file.create !== undefined)
    throw new UsageError(`--create: ${options.config} says already what is to be made`);
  const create = (await createFrom(options)) ?? file.create;
  return {
    interface: interfaceName,
    create: create && withLinkLocal(create),
    brokers: options.brokers === undefined ? file.brokers : await readPool(options.brokers),
    stun: options.stun?.split(",").map((one) => checkHostPort(one, "--stun")) ?? file.stun,
    relay: options.relay ?? file.relay,
    stateFolder: options.state ?? file.stateFolder,
    // The command line can only switch it off: it is on unless the file says otherwise.
    portMapping: options.portMapping === false ? false : file.portMapping,
    names: file.names,
  };
}

async function createFrom(options: UpOptions): Promise<NewInterface | undefined> {
  const { create, privateKey, listenPort, address = [], peer = [] } = options;
  if (!create) {
    const given = Object.entries({ "--private-key": privateKey, "--listen-port": listenPort });
    const [wrong] = [
      ...given.flatMap(([option, value]) => (value === undefined ? [] : [option])),
      ...(address.length > 0 ? ["--address"] : []),
      ...(peer.length > 0 ? ["--peer"] : []),
    ];
    if (wrong === undefined) return undefined;
    throw new UsageError(
      `${wrong} needs --create: an interface that is there is used as it is configured (change it with wg set)`,
    );
  }
  if (privateKey === undefined)
    throw new UsageError("--create needs --private-key FILE: make one with sidewire-mesh keygen");
  return {
    privateKey: await readKey(privateKey),
    listenPort,
    addresses: address.map((one) => addressFrom(one, "--address")),
    peers: peer.map(parsePeerOption),
  };
}

async function settingsOfFile(path: string | undefined): Promise<Settings> {
  if (path === undefined) return { names: new Map() };
  const text = await readText(path);
  return await naming(path, () => parseOwnFormat(text, dirname(resolve(path)), { readKey, readText }));
}
