/**
 * The search for UPnP devices: the request, and the useful part of an answer (UPnP Device Architecture 1.1, section
 * 1.3).
 */

export const SSDP_PORT = 1900;
export const SSDP_GROUP = "239.255.255.250";
export const SSDP_GROUP_6 = "ff02::c";

/** A gateway of version 2 also answers a search for version 1. */
const TARGET = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";

const MAX_BYTES = 2048;
const MAX_URL = 512;

/** @param host - the multicast group of the search */
export function encodeSearch(host: string): Uint8Array {
  const named = host.includes(":") ? `[${host.replace(/%.*/, "")}]` : host;
  return Buffer.from(
    [
      "M-SEARCH * HTTP/1.1",
      `HOST: ${named}:${SSDP_PORT}`,
      'MAN: "ssdp:discover"',
      "MX: 1",
      `ST: ${TARGET}`,
      "",
      "",
    ].join("\r\n"),
  );
}

/**
 * The URL where a device describes itself.
 * @returns undefined for bytes that do not answer a search, and for any URL except plain HTTP
 */
export function decodeSearchAnswer(bytes: Uint8Array): URL | undefined {
  if (bytes.length > MAX_BYTES) return undefined;
  const [status = "", ...lines] = Buffer.from(bytes).toString("latin1").split("\r\n");
  if (!/^HTTP\/1\.[01] 200(?: |$)/.test(status)) return undefined;
  const field = (name: string): string | undefined =>
    lines
      .find((line) => line.slice(0, name.length + 1).toLowerCase() === `${name}:`)
      ?.slice(name.length + 1)
      .trim();
  if (!/InternetGatewayDevice:[12]$/.test(field("st") ?? "")) return undefined;
  // A link-local address may stand there with the gateway's own name for its interface, which no URL has.
  return httpUrl((field("location") ?? "").replace(/%[^\]/]*\]/, "]"));
}

/** A URL of plain HTTP, without a user name and a password. */
export function httpUrl(text: string, base?: URL): URL | undefined {
  if (text.length > MAX_URL || !URL.canParse(text, base)) return undefined;
  const url = new URL(text, base);
  return url.protocol === "http:" && url.username === "" && url.password === "" ? url : undefined;
}
