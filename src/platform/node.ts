import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  hash,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from "node:crypto";
import { lookup } from "node:dns";
import { connect as connectTcp, isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { connect as connectTls, createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { monotonicNow } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import { be, check, optional, record, type Schema } from "../base/schema.js";
import type { Family, Platform, SocketOptions, SocketTarget } from "./platform.js";
import { isPrivateHost } from "./private-address.js";
import { ThreadPool } from "./thread-pool.js";
import { TRANSPORTS } from "./transports.js";
import { xchacha } from "./xchacha.js";

/** DER of a SEC 1 ECPrivateKey on secp256k1, up to and after the 32 key bytes (RFC 5915). */
const SEC1_HEAD = Buffer.from("302e0201010420", "hex");
const SEC1_TAIL = Buffer.from("a00706052b8104000a", "hex");

/** DER of a SubjectPublicKeyInfo for a compressed point on secp256k1, up to the 33 key bytes (RFC 5480). */
const SPKI_HEAD = Buffer.from("3036301006072a8648ce3d020106052b8104000a032200", "hex");

/** Making a key object costs about half a verification, so the last ones are kept. */
const KEY_OBJECTS = 1024;

/**
 * A signature that is the only one within this time is made at once: waking another thread for it takes 0.04 ms
 * longer. Several are made side by side.
 */
const ALONE_MS = 1;

/** From this length on a thread costs little beside the rest, which would make one long block of the event loop. */
const LONG_BYTES = 8192;

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
    return { nic: parseNic(nic), ca: readCa(ca, "INVALID_OPTION", "ca") };
  },

  sha256: (bytes) => hash("sha256", bytes, "hex"),

  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),

  createSign(secretKey) {
    const key = createPrivateKey({
      key: Buffer.concat([SEC1_HEAD, secretKey, SEC1_TAIL]),
      format: "der",
      type: "sec1",
    });
    const options = { key, dsaEncoding: "ieee-p1363" } as const;
    const pool = new ThreadPool();
    let lastAt = Number.NEGATIVE_INFINITY;
    return (part) => {
      const now = monotonicNow();
      const isAlone = now - lastAt > ALONE_MS;
      lastAt = now;
      if (isAlone && part.length < LONG_BYTES) return sign("sha1", part, options);
      return pool.run<Uint8Array>(
        (done) => sign("sha1", part, options, done),
        () => sign("sha1", part, options),
      );
    };
  },

  createEcdh(secretKey) {
    const ecdh = createECDH("secp256k1");
    ecdh.setPrivateKey(secretKey);
    return {
      publicKey: Uint8Array.from(ecdh.getPublicKey(null, "compressed")),
      sharedSecret: (publicKey) => Uint8Array.from(ecdh.computeSecret(publicKey)),
    };
  },

  createCipher: xchacha,

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
    const pool = new ThreadPool();
    return async (signature, part, publicKey) => {
      try {
        const key = { key: keyObject(publicKey), dsaEncoding: "ieee-p1363" } as const;
        return await pool.run<boolean>(
          (done) => verify("sha1", part, key, signature, done),
          () => verify("sha1", part, key, signature),
        );
      } catch {
        return false; // not a point on the curve
      }
    };
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
