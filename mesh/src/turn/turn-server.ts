import { isIPv6 } from "node:net";
import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { MAX_SERVERS } from "./limits.js";

/** A TURN server as it is configured. */
export interface TurnOptions {
  /** `turn:HOST` or `turn:HOST:PORT`, with or without `?transport=udp` (RFC 7065). The default port is 3478. */
  readonly url: string;
  /** Long-term credentials. For time-limited credentials, what the service has given out. Give both or neither. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** A TURN server, by name or address. */
export interface TurnServer {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials | undefined;
}

/** The credentials of a user of a TURN server. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

const DEFAULT_PORT = 3478; // RFC 8656, section 4
/** The maximum length of a username in bytes (RFC 8489, section 14.3), and of a password. */
const MAX_BYTES = 508;

/** @throws {@link MeshError} `INVALID_OPTION` */
export function parseTurnServers(options: readonly TurnOptions[]): TurnServer[] {
  if (options.length > MAX_SERVERS)
    throw new MeshError("INVALID_OPTION", `turn: at most ${MAX_SERVERS} servers, not ${options.length}`);
  return options.map((one) => ({ ...placeOf(one.url), credentials: credentialsOf(one) }));
}

/** A server's name as it is shown to people. */
export function nameOf({ host, port }: Pick<TurnServer, "host" | "port">): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function placeOf(url: string): Pick<TurnServer, "host" | "port"> {
  const refuse = (why: string): never => {
    throw new MeshError("INVALID_OPTION", `turn: "${url}": ${why}`);
  };
  if (/^turns:/i.test(url)) refuse("TURN over TLS is not spoken here: name a server with turn:, over UDP");
  const [, six, named, digits, transport] =
    /^turn:(?:\[([^\]]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?(?:\?transport=(\w+))?$/i.exec(url) ?? [];
  if (transport !== undefined && transport.toLowerCase() !== "udp")
    refuse(`TURN over ${transport.toUpperCase()} is not spoken here, only over UDP`);
  const host = six ?? named ?? "";
  const port = digits === undefined ? DEFAULT_PORT : Number(digits);
  if (host === "" || (six !== undefined && parseAddress(six)?.length !== 16) || port < 1 || port > 0xffff)
    refuse("turn:HOST:PORT is expected, as in turn:turn.example.org:3478");
  return { host, port };
}

function credentialsOf({ url, username, password }: TurnOptions): Credentials | undefined {
  if (username === undefined && password === undefined) return undefined;
  const isRight = (text: string | undefined): text is string =>
    text !== undefined && text !== "" && Buffer.byteLength(text) <= MAX_BYTES;
  if (!isRight(username) || !isRight(password))
    throw new MeshError(
      "INVALID_OPTION",
      `turn: "${url}": a username and a password are expected, of up to ${MAX_BYTES} bytes each`,
    );
  // Both sides must normalise the texts in the same way (RFC 8265).
  return { username: username.normalize("NFC"), password: password.normalize("NFC") };
}
