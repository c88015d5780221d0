import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { hashes, sign, verify } from "@noble/secp256k1";
import type { Platform } from "./platform.js";

/** Browsers: noble's cryptography, WebSockets only. */
export const platform: Platform = {
  transports: ["wss", "ws"],
  familiesAreOne: true,
  bindsSockets: false,

  localFamilies() {
    return ["IPv4", "IPv6"];
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
