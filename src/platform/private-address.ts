/** IPv4 addresses that are not public on the internet (RFC 6890, and multicast), by their first and second byte. */
const PRIVATE_IPV4 =
  /^(0|10|127|22[4-9]|2[34]\d|25[0-5]|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])|169\.254|172\.(1[6-9]|2\d|3[01])|192\.168|192\.0\.0|198\.1[89])\./;

/** The same for IPv6 in canonical text (RFC 5952): unspecified, loopback, embedded IPv4, local, multicast. */
const PRIVATE_IPV6 = /^(::|64:ff9b:|f[cdf][0-9a-f]{2}:|fe[89a-f][0-9a-f]:)/;

/**
 * Whether a host has no meaning outside its own machine or network: a loopback, link-local or private address, an
 * invalid host, or a name of such a host. Other names are not resolved.
 */
export function isPrivateHost(host: string): boolean {
  let canonical: string;
  try {
    // The URL parser knows every spelling of an address: 0x7f.1, 2130706433, 0:0:0:0:0:0:0:1.
    canonical = new URL(`ws://${host.includes(":") ? `[${host}]` : host}`).hostname;
  } catch {
    return true;
  }
  if (canonical.startsWith("[")) return PRIVATE_IPV6.test(canonical.slice(1));
  if (/^\d+(\.\d+){3}$/.test(canonical)) return PRIVATE_IPV4.test(canonical);
  return /(^|\.)local(host)?\.?$/.test(canonical);
}
