import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { BoundedMap } from "./bounded-map.js";
import type { AppPacket } from "./packet.js";
import type { Verify } from "./platform/platform.js";

/** What a verification came to: whether the signature holds, or that it was refused for lack of room. */
export type Verification = boolean | "busy";

interface Job {
  readonly packet: AppPacket;
  readonly done: (result: Verification) => void;
}

/** How many verifications run at once: the threads that Node has for them. Strangers leave one free. */
const CONCURRENT = 4;
const CONCURRENT_STRANGERS = 3;

/** How many may wait in all, and of one source. */
const MAX_WAITING = 4096;
const MAX_WAITING_OF_SOURCE = 256;

/** For how many payloads the result is kept: the copies of a message come by several brokers. */
const KEPT_RESULTS = 512;

/**
 * Verifies packets, a few at a time. What waits is bounded, peers that are known come before
 * strangers, and within either the sources take turns, so that a flood cannot starve others.
 * Equal bytes are verified once.
 */
export class Verifier {
  readonly #verify: Verify;
  readonly #known = new Line();
  readonly #strangers = new Line();
  readonly #results = new BoundedMap<string, Promise<Verification>>(KEPT_RESULTS);
  #running = 0;

  constructor(verify: Verify) {
    this.#verify = verify;
  }

  /**
   * Whether the packet's source signed it.
   * @param isKnown - whether it says it is from somebody who comes before strangers
   */
  verify(packet: AppPacket, payload: Uint8Array, isKnown = false): Promise<Verification> {
    const id = bytesToHex(sha256(payload));
    const known = this.#results.get(id);
    if (known !== undefined) return known;
    const result = new Promise<Verification>((done) => {
      if ((isKnown ? this.#known : this.#strangers).add({ packet, done })) this.#next();
      else done("busy");
    });
    this.#results.set(id, result);
    // Another copy may come when there is room again.
    void result.then((value) => {
      if (value === "busy") this.#results.delete(id);
    });
    return result;
  }

  #next(): void {
    while (this.#running < CONCURRENT) {
      const job =
        this.#known.take() ?? (this.#running < CONCURRENT_STRANGERS ? this.#strangers.take() : undefined);
      if (job === undefined) return;
      this.#running++;
      void this.#run(job);
    }
  }

  async #run({ packet, done }: Job): Promise<void> {
    let valid = false;
    try {
      valid = (await packet.verify(this.#verify)) === true;
    } catch {
      // A caller's own verifier may throw; that is no valid signature.
    }
    this.#running--;
    done(valid);
    this.#next();
  }
}

/** What waits, by source. */
class Line {
  readonly #jobs = new Map<string, Job[]>();
  #count = 0;

  /** @returns false when there is no room */
  add(job: Job): boolean {
    const { source } = job.packet;
    const jobs = this.#jobs.get(source) ?? [];
    if (this.#count >= MAX_WAITING || jobs.length >= MAX_WAITING_OF_SOURCE) return false;
    jobs.push(job);
    this.#count++;
    this.#jobs.set(source, jobs);
    return true;
  }

  take(): Job | undefined {
    const first = this.#jobs.entries().next().value;
    if (first === undefined) return undefined;
    const [source, jobs] = first;
    const job = jobs.shift();
    // To the end of the map: the other sources come first.
    this.#jobs.delete(source);
    if (jobs.length > 0) this.#jobs.set(source, jobs);
    this.#count--;
    return job;
  }
}
