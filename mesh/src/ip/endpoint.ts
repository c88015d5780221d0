import { type AddressBytes, formatAddress, parseAddress } from "./address.js";

/** Where UDP packets go to or come from. */
export interface Endpoint {
  /** In its one spelling: IPv4, or IPv6 as in RFC 5952; never an IPv4 address written as IPv6. */
  readonly address: string;
  readonly family: 4 | 6;
  /** 1 to 65535. */
  readonly port: number;
}

/** An endpoint of these bytes and this port; undefined when there can be none. */
export function endpointOf(address: AddressBytes | undefined, port: number): Endpoint | undefined {
  if (address === undefined || !Number.isInteger(port) || port < 1 || port > 0xffff) return undefined;
  return { address: formatAddress(address), family: address.length === 4 ? 4 : 6, port };
}

/** An endpoint as `wg` writes it: `192.0.2.1:51820`, `[2001:db8::1]:51820`. Names are not looked up. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseAddress(six ?? four ?? "");
  return endpointOf(address, Number(port));
}

/** The one spelling of an endpoint: two that are equal have the same text. */
export function formatEndpoint({ address, family, port }: Endpoint): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}
