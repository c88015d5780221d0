import { pairOf } from "../../src/pair.js";
import { probeKeysOf } from "../../src/probe/probe-keys.js";
import { writeProbe } from "../../src/probe/probe-message.js";
import { seal } from "../../src/probe/sealed.js";
import { publicKeyOf } from "../../src/wireguard-key.js";
import { bytesOf } from "../../test/support/roster.js";

/** Datagrams, and bytes on the line. */
export class Traffic {
  messages = 0;
  bytes = 0;

  add(bytes: number): void {
    this.messages++;
    this.bytes += bytes;
  }
}

/** IPv4 and UDP around each datagram, bytes. */
export const OUTSIDE_BYTES = 28;
/** IPv6 and UDP in the tunnel, bytes. */
const INSIDE_BYTES = 48;
/** WireGuard's head and tag, and what its packets are filled up to, bytes. */
const WIREGUARD_BYTES = 32;
const WIREGUARD_STEP = 16;

/** A datagram of facts: in the tunnel, by its link-local addresses. */
export function inTunnel(bytes: number): number {
  const filled = Math.ceil((bytes + INSIDE_BYTES) / WIREGUARD_STEP) * WIREGUARD_STEP;
  return filled + WIREGUARD_BYTES + OUTSIDE_BYTES;
}

const OWN = bytesOf("own private key");
const PEER = publicKeyOf(bytesOf("private key of the peer"));
const KEYS = probeKeysOf(pairOf(OWN, PEER), publicKeyOf(OWN), PEER);
const VIEW = { isProven: true, isChosen: true, asksForHandshake: false } as const;

/** A probe, as the prober writes it; an answer over IPv4 is as long. */
export const PROBE_BYTES: number = probeOf(undefined) + OUTSIDE_BYTES;

const TOLD = new Map<number, number>();

/** A probe in which so many bytes are told. */
export function told(bytes: number): number {
  let size = TOLD.get(bytes);
  if (size === undefined) {
    size = probeOf(seal(KEYS, new Uint8Array(bytes))) + OUTSIDE_BYTES;
    TOLD.set(bytes, size);
  }
  return size;
}

function probeOf(sealed: Uint8Array | undefined): number {
  return writeProbe(KEYS, { transaction: new Uint8Array(12), boot: 1n, counter: 1, view: VIEW, sealed })
    .length;
}
