import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { lookup } from "node:dns";
import { connect as connectTcp, isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { connect as connectTls, rootCertificates } from "node:tls";
import { BoundedMap } from "../bounded-map.js";
import { invalidOption } from "../errors.js";
import type { Family, Platform, SocketOptions, SocketTarget } from "./platform.js";
import { isPrivateHost } from "./private-address.js";

/** DER of a SEC 1 ECPrivateKey on secp256k1, up to and after the 32 key bytes (RFC 5915). */
const SEC1_HEAD = Buffer.from("302e0201010420", "hex");
const SEC1_TAIL = Buffer.from("a00706052b8104000a", "hex");

/** DER of a SubjectPublicKeyInfo for a compressed point on secp256k1, up to the 33 key bytes (RFC 5480). */
const SPKI_HEAD = Buffer.from("3036301006072a8648ce3d020106052b8104000a032200", "hex");

/** Making a key object costs about half a verification, so the last ones are kept. */
const KEY_OBJECTS = 1024;

/** Node: `node:crypto` in the thread pool, sockets bound to a family and a local address. */
export const platform: Platform = {
  transports: ["mqtt", "mqtts", "wss", "ws"],
  familiesAreOne: false,

  localFamilies() {
    const families = new Set<Family>();
    for (const addresses of Object.values(networkInterfaces())) {
      for (const { family } of addresses ?? []) families.add(family === "IPv6" ? "IPv6" : "IPv4");
    }
    // Without any interface there is no telling; IPv4 fails with a reason.
    return families.size === 0 ? ["IPv4"] : [...families].sort();
  },

  isPrivateHost,

  parseSocketOptions(nic, ca) {
    return { nic: parseNic(nic), ca: parseCa(ca) };
  },

  createSign(secretKey) {
    const key = createPrivateKey({
      key: Buffer.concat([SEC1_HEAD, secretKey, SEC1_TAIL]),
      format: "der",
      type: "sec1",
    });
    return (part) =>
      new Promise((resolve, reject) => {
        sign("sha1", part, { key, dsaEncoding: "ieee-p1363" }, (error, signature) => {
          if (error) reject(error);
          else resolve(signature);
        });
      });
  },

  createVerify() {
    const keys = new BoundedMap<string, KeyObject>(KEY_OBJECTS);
    const keyObject = (publicKey: Uint8Array): KeyObject => {
      const id = Buffer.from(publicKey).toString("latin1");
      let key = keys.get(id);
      if (key === undefined) {
        key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" });
      }
      keys.set(id, key);
      return key;
    };
    return (signature, part, publicKey) =>
      new Promise((resolve) => {
        try {
          const key = keyObject(publicKey);
          verify("sha1", part, { key, dsaEncoding: "ieee-p1363" }, signature, (error, ok) =>
            resolve(error === null && ok),
          );
        } catch {
          resolve(false); // not a point on the curve
        }
      });
  },

  openSocket(target) {
    const options = { host: target.host, port: target.port, noDelay: true, ...routeOptions(target) };
    if (target.transport === "mqtt") return connectTcp(options);
    if (target.transport === "mqtts") return connectTls({ ...options, ...tlsOptions(target) });
    return undefined;
  },

  webSocketOptions(target) {
    return {
      ...routeOptions(target),
      ...(target.transport === "wss" ? tlsOptions(target) : {}),
    };
  },
};

function parseNic(nic: unknown): SocketOptions["nic"] {
  if (nic === undefined) return {};
  if (typeof nic === "string" && isIP(nic) !== 0) return isIP(nic) === 6 ? { IPv6: nic } : { IPv4: nic };
  if (typeof nic !== "object" || nic === null || Array.isArray(nic))
    throw invalidOption("nic", "expected an IP address of this machine", nic);
  const { IPv4, IPv6 }: { IPv4?: unknown; IPv6?: unknown } = nic;
  return { ...parseAddress("IPv4", 4, IPv4), ...parseAddress("IPv6", 6, IPv6) };
}

function parseAddress(family: Family, version: number, address: unknown): SocketOptions["nic"] {
  if (address === undefined) return {};
  if (typeof address === "string" && isIP(address) === version) return { [family]: address };
  throw invalidOption(`nic.${family}`, `expected an ${family} address of this machine`, address);
}

function parseCa(ca: unknown): string | undefined {
  if (ca === undefined) return undefined;
  if (typeof ca === "string" && ca.includes("-----BEGIN CERTIFICATE-----")) return ca;
  throw invalidOption("ca", "expected certificates in PEM", typeof ca);
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

function tlsOptions(target: SocketTarget): { servername?: string; ca?: string[] } {
  return {
    // SNI takes names only (RFC 6066); certificates for addresses are checked all the same.
    ...(isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...(target.ca === undefined ? {} : { ca: [...rootCertificates, target.ca] }),
  };
}
