import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns";
import { connect as connectTcp, isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { be, check, optional, record, type Schema } from "../base/schema.js";
import { openssl } from "./openssl.js";
import type { Family, Platform, SocketOptions, SocketTarget } from "./platform.js";
import { isPrivateHost } from "./private-address.js";
import { TRANSPORTS } from "./transports.js";

/** Node, and what is like it: OpenSSL's cryptography, sockets bound to a family and a local address. */
export const platform: Platform = {
  ...openssl,

  transports: ["mqtt", "mqtts", "wss", "ws"],
  familiesAreOne: false,

  localFamilies() {
    let interfaces: ReturnType<typeof networkInterfaces>;
    try {
      interfaces = networkInterfaces();
    } catch {
      return ["IPv4", "IPv6"]; // Android does not tell, nor does Deno without being allowed to: what fails is left out
    }
    const families = new Set<Family>();
    for (const addresses of Object.values(interfaces)) {
      for (const { family } of addresses ?? []) families.add(family === "IPv6" ? "IPv6" : "IPv4");
    }
    // Without any interface there is no telling; IPv4 fails with a reason.
    return families.size === 0 ? ["IPv4"] : [...families].sort();
  },

  isPrivateHost,

  parseSocketOptions(nic, ca) {
    return { nic: parseNic(nic), ca: readCa(ca, "INVALID_OPTION", "ca") };
  },

  openSocket(target) {
    const options = { host: target.host, port: target.port, noDelay: true, ...routeOptions(target) };
    // tls.connect ignores `noDelay`, and Nagle's algorithm costs 40 ms a message.
    return TRANSPORTS[target.transport].isSecure
      ? connectTls({ ...options, ...tlsOptions(target) }).setNoDelay(true)
      : connectTcp(options);
  },

  webSocketOptions(target) {
    return {
      ...routeOptions(target),
      ...(TRANSPORTS[target.transport].isSecure ? tlsOptions(target) : {}),
    };
  },
};

const NIC = { IPv4: optional(localAddress(4)), IPv6: optional(localAddress(6)) };
const readNic: Schema<SocketOptions["nic"]> = record<SocketOptions["nic"]>(NIC, "nic");

function parseNic(nic: unknown = {}): SocketOptions["nic"] {
  const version = typeof nic === "string" ? isIP(nic) : 0;
  const read = readNic(version === 0 ? nic : { [`IPv${version}`]: nic }, "INVALID_OPTION", "nic");
  // A family under another name would bind nothing, and nobody would notice.
  for (const name of version === 0 ? Object.keys(Object(nic)) : [])
    check(name in NIC, "INVALID_OPTION", `nic.${name}`, "IPv4 or IPv6 for a name");
  return read;
}

function localAddress(version: 4 | 6): Schema<string> {
  return be(
    `an IPv${version} address of this machine`,
    (value): value is string => typeof value === "string" && isIP(value) === version,
  );
}

/** Made once for a router: reading all the usual certificates takes 20 ms. */
const readCa: Schema<SecureContext | undefined> = optional((value, code, path) => {
  check(typeof value === "string" && isCertificate(value), code, path, "certificates in PEM");
  return createSecureContext({ ca: [...rootCertificates, value] });
});

/** A secure context leaves out what is no certificate, without a word. */
function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** How a connection leaves and where its name may lead. */
function routeOptions({ family, localAddress, publicOnly }: SocketTarget): RouteOptions {
  return {
    family: family === "IPv6" ? 6 : 4,
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(publicOnly ? { lookup: lookupPublic } : {}),
  };
}

interface RouteOptions {
  family: 4 | 6;
  localAddress?: string;
  lookup?: LookupFunction;
}

/** Resolves names as usual, and refuses what they hide. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, []);
    const [first] = addresses;
    if (first === undefined || addresses.some(({ address }) => isPrivateHost(address))) {
      return callback(new Error(`${hostname} leads to a private address`), []);
    }
    if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

function tlsOptions(target: SocketTarget): { servername?: string; secureContext?: SecureContext } {
  return {
    // SNI takes names only (RFC 6066); certificates for addresses are checked all the same.
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...(target.ca === undefined ? {} : { secureContext: target.ca }),
  };
}
