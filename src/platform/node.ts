import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { be, check, optional, record, type Schema } from "../base/schema.js";
import { openssl } from "./openssl.js";
import type { Connection, ConnectionEvents, Family, Platform, SocketOptions } from "./platform.js";
import { isPrivateHost } from "./private-address.js";
import { openSocket, SECURE_OPTIONS } from "./socket.js";
import { SocketConnection } from "./socket-connection.js";
import { TRANSPORTS } from "./transports.js";
import { WebSocketConnection } from "./web-socket-connection.js";
import { webSocketUrl } from "./web-socket-url.js";

/**
 * The platform of Node and compatible runtimes: cryptography by OpenSSL, sockets bound to a family and a local address.
 */
export const platform: Platform = {
  ...openssl,

  transports: ["mqtt", "mqtts", "wss", "ws"],
  familiesAreOne: false,
  keepAliveS: 10,

  localFamilies() {
    let interfaces: ReturnType<typeof networkInterfaces>;
    try {
      interfaces = networkInterfaces();
    } catch {
      return ["IPv4", "IPv6"]; // Android does not tell, nor does Deno without permission: the caller drops what fails
    }
    const families = new Set<Family>();
    for (const addresses of Object.values(interfaces)) {
      for (const { family } of addresses ?? []) families.add(family === "IPv6" ? "IPv6" : "IPv4");
    }
    // Without any interface nothing is known. An attempt over IPv4 then fails with a clear reason.
    return families.size === 0 ? ["IPv4"] : [...families].sort();
  },

  isPrivateHost,

  parseSocketOptions(nic, ca) {
    return { nic: parseNic(nic), ca: readCa(ca, "INVALID_OPTION", "ca") };
  },

  openConnection(target, events) {
    const open = (own: ConnectionEvents): Connection =>
      new SocketConnection((signal, onStage) => openSocket(target, signal, onStage), own);
    if (!TRANSPORTS[target.transport].isWebSocket) return open(events);
    return new WebSocketConnection(webSocketUrl(target), open, events);
  },

  nextTurn: setImmediate,
};

const NIC = { IPv4: optional(localAddress(4)), IPv6: optional(localAddress(6)) };
const readNic: Schema<SocketOptions["nic"]> = record<SocketOptions["nic"]>(NIC, "nic");

function parseNic(nic: unknown = {}): SocketOptions["nic"] {
  const version = typeof nic === "string" ? isIP(nic) : 0;
  const read = readNic(version === 0 ? nic : { [`IPv${version}`]: nic }, "INVALID_OPTION", "nic");
  // Otherwise a misspelled family would be ignored, and nobody would notice.
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

/** Read once for each router, because reading all the usual certificates takes 20 ms. */
const readCa: Schema<SecureContext | undefined> = optional((value, code, path) => {
  check(typeof value === "string" && isCertificate(value), code, path, "certificates in PEM");
  return createSecureContext({
    ca: [...rootCertificates, ...extraCertificates(), value],
    secureOptions: SECURE_OPTIONS,
  });
});

/**
 * The certificates from NODE_EXTRA_CA_CERTS. Node reads this file at its start, but does not expose the certificates
 * before version 22.15. Node itself warns when the file cannot be read.
 */
function extraCertificates(): string[] {
  try {
    const path = process.env.NODE_EXTRA_CA_CERTS;
    if (!path) return [];
    // The file is often the system's complete bundle. Certificates that Node contains as well would be read twice.
    const usual = new Set(rootCertificates.map(withoutSpace));
    return pemsIn(readFileSync(path, "utf8")).filter((pem) => !usual.has(withoutSpace(pem)));
  } catch {
    return [];
  }
}

function pemsIn(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
}

function withoutSpace(pem: string): string {
  return pem.replace(/\s/g, "");
}

/** Whether a text is a certificate. A secure context ignores text that is not, without an error. */
function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
