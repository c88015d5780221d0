import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hashes, sign, verify } from "@noble/secp256k1";
import { SidewireError } from "../errors.js";
import type { Platform } from "./platform.js";

/** Browsers: noble's cryptography, WebSockets only. */
export const platform: Platform = {
  transports: ["wss", "ws"],
  familiesAreOne: true,

  localFamilies() {
    return ["IPv4", "IPv6"];
  },

  // Hints name plain ports, which no page can speak to: where the pool has not the broker, there is nothing to dial.
  isPrivateHost: () => true,

  parseSocketOptions(nic, ca) {
    for (const [name, value] of Object.entries({ nic, ca })) {
      if (value !== undefined) throw new SidewireError("UNSUPPORTED", `${name}: not in a browser`);
    }
    return { nic: {}, ca: undefined };
  },

  createSign(secretKey) {
    // RFC 6979 needs an HMAC; the slots are shared by every user of the module, so they are filled late
    // and only where nobody else did.
    hashes.sha256 ??= sha256;
    hashes.hmacSha256 ??= (key, message) => hmac(sha256, key, message);
    return (part) => sign(sha1(part), secretKey, { prehash: false });
  },

  createVerify() {
    return (signature, part, publicKey) => {
      try {
        return verify(signature, sha1(part), publicKey, { prehash: false, lowS: false });
      } catch {
        return false; // wrong length, r or s out of range, not a point on the curve
      }
    };
  },

  openSocket() {
    return undefined;
  },

  webSocketOptions() {
    return {};
  },
};
