import { type AddressBytes, formatAddress, parseAddress } from "./address.js";

/** A source or destination of UDP packets. */
export interface Endpoint {
  /** In canonical text: IPv4, or IPv6 as in RFC 5952. Never an IPv4 address in IPv6 form. */
  readonly address: string;
  readonly family: 4 | 6;
  /** 1 to 65535. */
  readonly port: number;
}

/** Makes an endpoint from an address and a port; undefined when one of them is not valid. */
export function endpointOf(address: AddressBytes | undefined, port: number): Endpoint | undefined {
  if (address === undefined || !Number.isInteger(port) || port < 1 || port > 0xffff) return undefined;
  return { address: formatAddress(address), family: address.length === 4 ? 4 : 6, port };
}

/** Reads an endpoint in the form of `wg`: `192.0.2.1:51820`, `[2001:db8::1]:51820`. Names are not looked up. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseAddress(six ?? four ?? "");
  return endpointOf(address, Number(port));
}

/** The canonical text of an endpoint: equal endpoints have equal texts. */
export function formatEndpoint({ address, family, port }: Endpoint): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}
