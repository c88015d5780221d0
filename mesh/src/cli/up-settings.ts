import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parseOwnFormat } from "../config/own-format.js";
import { addressFrom, checkHostPort, keyFrom, withLinkLocal } from "../config/parts.js";
import { parsePeerOption } from "../config/peer-option.js";
import type { Settings } from "../config/settings.js";
import type { NewInterface } from "../device/create.js";
import { InputFileError, reasonOf, UsageError } from "./failure.js";
import type { UpOptions } from "./up.js";

/** The largest file that is read, bytes: a pool or a configuration of 65 536 peers has a tenth of it. */
const MAX_BYTES = 64 << 20;

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
    brokers: options.brokers === undefined ? file.brokers : await poolFrom(options.brokers),
    stun: options.stun?.split(",").map((one) => checkHostPort(one, "--stun")) ?? file.stun,
    stateFolder: options.state ?? file.stateFolder,
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
    privateKey: await keyFile(privateKey),
    listenPort,
    addresses: address.map((one) => addressFrom(one, "--address")),
    peers: peer.map(parsePeerOption),
  };
}

async function settingsOfFile(path: string | undefined): Promise<Settings> {
  if (path === undefined) return { names: new Map() };
  const text = await readText(path);
  return await naming(path, () =>
    parseOwnFormat(text, dirname(resolve(path)), { readKey: keyFile, readText }),
  );
}

async function poolFrom(path: string): Promise<Settings["brokers"]> {
  const text = await readText(path);
  const { parseBrokerPool } = await import("sidewire");
  return await naming(path, async () => parseBrokerPool(text));
}

async function keyFile(path: string): Promise<Uint8Array> {
  return keyFrom((await readText(path)).trim(), path);
}

/** What a file's reader says, with the file's name before it. */
async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputFileError || !(error instanceof Error)) throw error;
    throw new InputFileError(`${path}: ${error.message}`, { cause: error });
  }
}

async function readText(path: string): Promise<string> {
  try {
    const text = await readFile(path, "utf8");
    if (text.length > MAX_BYTES) throw new Error("it is too long");
    return text;
  } catch (error) {
    throw new InputFileError(`cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
