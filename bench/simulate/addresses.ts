import { Point } from "@noble/secp256k1";
import type { Random } from "./random.js";

const { p: PRIME } = Point.CURVE();

/** A cube root of 1 modulo {@link PRIME}: with (x, y), also (x · it, y) is on the curve y² = x³ + 7. */
const CUBE_ROOT = 0x7ae96a2b657c07106e64479eac3434e99cf0497512f58995c1396c28719501een;

/**
 * Endless different addresses, all on the curve, and cheap: a walk along the curve, and with each
 * point five more that have its height or the opposite one. Nobody knows their secret keys, nor needs to.
 */
export function* addresses(random: Random): Generator<string, never, undefined> {
  let point = Point.BASE.multiply(BigInt(1 + random.below(2 ** 31 - 1)));
  for (;;) {
    let { x } = point.toAffine();
    for (let root = 0; root < 3; root++) {
      const digits = x.toString(16).padStart(64, "0");
      yield `02${digits}`;
      yield `03${digits}`;
      x = (x * CUBE_ROOT) % PRIME;
    }
    point = point.add(Point.BASE);
  }
}
