import { createHash } from "node:crypto";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

/** Random numbers that a seed and a name determine: no question's numbers depend on another's. */
export class Random {
  readonly #generator: ReturnType<typeof xoroshiro128plusFromState>;

  constructor(seed: number, name: string) {
    const digest = createHash("sha256").update(`${seed} ${name}`).digest();
    this.#generator = xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.readInt32BE(at)));
  }

  /** From 0 (included) to 1 (excluded). */
  next(): number {
    return uniformFloat64(this.#generator);
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    return uniformInt(this.#generator, 0, bound - 1);
  }
}
